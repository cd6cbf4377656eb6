//! A database behind HTTP: `GET /KEY` gives a value, `PUT /KEY` sets it, durably.
//!
//! `cargo run --release` in this directory, then `curl -X PUT -d red localhost:3000/apple; curl localhost:3000/apple`.
//! It closes the database when it is interrupted.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use rabi::{AsyncDb, Db, Durability, Error, Options, WriteOptions};

type Answer<T> = Result<T, (StatusCode, String)>;

fn failed(error: Error) -> (StatusCode, String) {
    let status = match error {
        Error::KeyTooLarge { .. } | Error::ValueTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::DiskFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

async fn look_up(State(db): State<AsyncDb>, Path(key): Path<String>) -> Answer<Vec<u8>> {
    let value = db.get(key).await.map_err(failed)?;
    value.map(rabi::Value::into_vec).ok_or((StatusCode::NOT_FOUND, "no such key\n".into()))
}

/// A client that hangs up drops the future: the value is then set, or not, and nothing is left behind.
async fn set(State(db): State<AsyncDb>, Path(key): Path<String>, value: Bytes) -> Answer<()> {
    let power = WriteOptions::new().durability(Durability::Power);
    db.put_with(key, value, power).await.map_err(failed)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Db::open("axum.db", Options::new())?.to_async();
    let routes = Router::new().route("/{key}", get(look_up).put(set)).with_state(db.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let interrupted = async {
        let _received = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(interrupted).await?;
    Ok(db.close().await?)
}
