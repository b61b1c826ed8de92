"""Properties of the deployed functions, after SAM's transformation."""

from template import FUNCTION, of_type, read, transformed

TEMPLATE = transformed(read())
FUNCTIONS = dict(of_type(TEMPLATE["Resources"], FUNCTION))


def test_recursive_loop_detection_is_off_for_the_sync_function_only():
    """A long listing needs more continuations than the 16 rounds that Lambda's recursive loop detection allows."""
    allowed = [name for name, function in FUNCTIONS.items() if function["Properties"].get("RecursiveLoop") == "Allow"]
    assert allowed == ["SyncFunction"]


def test_the_sync_function_may_only_send_to_the_dead_letter_queue():
    variables = FUNCTIONS["SyncFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["DEAD_LETTER_QUEUE_URL"] == {"Ref": "DeadLetterQueue"}
    [policy] = TEMPLATE["Resources"]["SyncRole"]["Properties"]["Policies"]
    dead_letters = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    statements = [each for each in policy["PolicyDocument"]["Statement"] if each["Resource"] == dead_letters]
    assert [each["Action"] for each in statements] == ["sqs:SendMessage"]
