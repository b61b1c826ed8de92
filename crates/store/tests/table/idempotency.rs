//! Idempotency keys.

use domain::RequestId;
use store::{IdempotencyGuard, KeyedRequest, Reservation};

use crate::given::{Given, NOW, given_an_empty_table};

const HOUR_MS: i64 = 60 * 60 * 1_000;

impl Given {
    async fn reserve(&self, key: &str, fingerprint: &str) -> Reservation {
        let request = KeyedRequest { key, action: "retrieve", fingerprint };
        self.table.reserve_key(&request, NOW).await.unwrap()
    }

    async fn hold(&self, key: &str, fingerprint: &str) -> IdempotencyGuard {
        match self.reserve(key, fingerprint).await {
            Reservation::Send(guard) => guard,
            other => panic!("the key is taken: {other:?}"),
        }
    }
}

fn request_id() -> RequestId {
    RequestId::parse("b5d0106ac9cc43d5b36199fe831f6bbe").unwrap()
}

#[tokio::test]
async fn a_key_lets_one_request_leave_and_then_returns_its_result() {
    let given = given_an_empty_table().await;
    let guard = given.hold("key", "a").await;
    assert_eq!(given.reserve("key", "a").await, Reservation::OutcomeUnknown { began_at: NOW });
    given.table.complete_key(&guard, Some(&request_id())).await.unwrap();
    assert_eq!(given.reserve("key", "a").await, Reservation::Replay { request_id: Some(request_id()) });
    assert_eq!(given.reserve("key", "b").await, Reservation::KeyReused);
    let another = given.hold("another", "b").await;
    given.table.complete_key(&another, None).await.unwrap();
    assert_eq!(given.reserve("another", "b").await, Reservation::Replay { request_id: None });
}

#[tokio::test]
async fn a_key_whose_request_failed_is_free_again() {
    let given = given_an_empty_table().await;
    let first = given.hold("key", "a").await;
    given.table.release_key(&first).await.unwrap();
    let second = given.hold("key", "b").await;
    // Late and duplicate calls of the first holder are about an earlier request.
    given.table.release_key(&first).await.unwrap();
    given.table.complete_key(&first, None).await.unwrap();
    assert_eq!(given.reserve("key", "b").await, Reservation::OutcomeUnknown { began_at: NOW });
    given.table.complete_key(&second, None).await.unwrap();
    assert_eq!(given.reserve("key", "b").await, Reservation::Replay { request_id: None });
}

#[tokio::test]
async fn an_expired_key_is_free_even_if_dynamodb_has_not_removed_it_yet() {
    let given = given_an_empty_table().await;
    given.reserve("key", "a").await;
    let request = KeyedRequest { key: "key", action: "retrieve", fingerprint: "b" };
    let later = NOW + 91 * 24 * HOUR_MS;
    assert!(matches!(given.table.reserve_key(&request, later).await.unwrap(), Reservation::Send(_)));
}
