//! Calls to DynamoDB that fail although the engine would carry them out: conflicts, throttling, internal errors.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// The error of a single write while a transaction writes the same item.
pub const CONFLICT: Rejection = Rejection {
    status: 400,
    body: r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "conflict"}"#,
};

/// The response to a call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// The JSON of the error.
    pub body: &'static str,
}

impl Storable for Rejection {
    type Storer = StoreReplace<Self>;
}

type Rule = dyn Fn(&str, &[u8]) -> Option<Rejection> + Send + Sync;

/// An interceptor of a client that rejects calls by a rule. The engine does not see these calls.
#[derive(Clone)]
pub struct Rejections(Arc<Rule>);

impl Rejections {
    /// Returns an interceptor with this rule. Its arguments are the operation (`UpdateItem`) and the body of the request.
    pub fn new(rule: impl Fn(&str, &[u8]) -> Option<Rejection> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }
}

impl fmt::Debug for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rejections")
    }
}

impl Intercept for Rejections {
    fn name(&self) -> &'static str {
        "rejections"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().ok_or("a call without an operation")?.name();
        let rejection = (self.0)(operation, context.request().body().bytes().unwrap_or_default());
        if rejection.is_some() {
            // The engine receives a harmless call instead.
            context.request_mut().headers_mut().insert("x-amz-target", "DynamoDB_20120810.ListTables");
        }
        config.interceptor_state().store_or_unset(rejection);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Rejection { status, body }) = config.load::<Rejection>() {
            *context.response_mut() = HttpResponse::new(u16::try_into(*status)?, SdkBody::from(*body));
        }
        Ok(())
    }
}
