"""Checks fake-belvo with Belvo's own Python client.

    pip install belvo-python==0.39.1
    python belvo_python_client.py http://127.0.0.1:8099 SECRET_ID SECRET_PASSWORD

Logs in, lists institutions, links and all resources of every link (all pages), and compares the numbers with the control
interface. Exits with 1 if a number differs.
"""

import json
import sys
import urllib.request

from belvo.client import Client


# The resources of the client that exist in Belvo's current API, with their paths.
LISTINGS = {
    "ACCOUNTS": "Accounts",
    "EMPLOYMENT_RECORDS": "EmploymentRecords",
    "INCOMES": "Incomes",
    "INVOICES": "Invoices",
    "OWNERS": "Owners",
    "RECURRING_EXPENSES": "RecurringExpenses",
    "RISK_INSIGHTS": "RiskInsights",
    "TAX_COMPLIANCE_STATUS": "TaxComplianceStatus",
    "TAX_RETENTIONS": "TaxRetentions",
    "TAX_RETURNS": "TaxReturns",
    "TAX_STATUS": "TaxStatus",
    "TRANSACTIONS": "Transactions",
}


def control(base_url, path):
    with urllib.request.urlopen(f"{base_url}/_control/{path}", timeout=10) as response:
        return json.load(response)


def distinct(objects):
    return len({found["id"] for found in objects})


def compare(what, found, expected):
    verdict = "ok" if found == expected else "DIFFERS"
    print(f"{verdict:8}{what}: {found} of {expected}")
    return found == expected


def check_link(client, link):
    expected = {one["resource"]: one["present"] for one in link["resources"]}
    return [
        compare(
            f"{resource} of {link['link_id']}",
            distinct(getattr(client, LISTINGS[resource]).list(link=link["link_id"])),
            number,
        )
        for resource, number in expected.items()
        if resource in LISTINGS
    ]


def main(base_url, secret_id, secret_password):
    client = Client(secret_id, secret_password, base_url)
    links = control(base_url, "links")
    results = [
        distinct(client.Institutions.list()) > 0,
        compare("links", distinct(client.Links.list()), len(links)),
    ]
    for link in links:
        results += check_link(client, link)
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
