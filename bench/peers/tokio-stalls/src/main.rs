// SPDX-License-Identifier: MIT
//
// The program of the stalls rows (bench/stalls.h) for Tokio: a task for each connection, on two workers. A hog is a
// task that knows nothing better than to keep its thread, as in the other programs; block_in_place would be the remedy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MESSAGE: usize = 64;
const TICK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy)]
struct Stalls {
    spin: bool,
    hogs: u32,
    span: Duration,
}

// When the hogs began: ns after the program's start, 0: not yet.
static START: OnceLock<Instant> = OnceLock::new();
static GO: AtomicU64 = AtomicU64::new(0);

fn keep(stalls: Stalls) {
    if stalls.spin {
        let end = Instant::now() + stalls.span;
        while Instant::now() < end {}
    } else {
        std::thread::sleep(stalls.span);
    }
}

fn start_hogs(stalls: Stalls) {
    GO.store(
        START.get().unwrap().elapsed().as_nanos() as u64,
        Ordering::SeqCst,
    );
    for _ in 1..stalls.hogs {
        tokio::spawn(async move { keep(stalls) });
    }
    keep(stalls);
}

async fn tick(mut peer: TcpStream, stalls: Stalls) -> std::io::Result<()> {
    let mut late: Vec<u8> = Vec::with_capacity(128 * 1024);
    let mut due = Instant::now();
    loop {
        due += TICK;
        tokio::time::sleep_until(due.into()).await;
        let go = GO.load(Ordering::SeqCst);
        let go_time = *START.get().unwrap() + Duration::from_nanos(go);
        if go == 0 || due < go_time {
            continue;
        }
        if due >= go_time + stalls.span {
            break;
        }
        late.extend_from_slice(&(due.elapsed().as_nanos() as i64).to_ne_bytes());
    }
    peer.write_all(&late).await
}

async fn serve_one(mut peer: TcpStream, stalls: Stalls) -> std::io::Result<()> {
    let mut message = [0u8; MESSAGE];
    loop {
        let n = peer.read(&mut message).await?;
        if n == 0 {
            return Ok(());
        }
        match message[0] {
            b't' => return tick(peer, stalls).await,
            b'h' => {
                start_hogs(stalls);
                return Ok(());
            }
            _ => peer.write_all(&message[..n]).await?,
        }
    }
}

async fn serve(stalls: Stalls) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "port {} pid {}",
        listener.local_addr()?.port(),
        std::process::id()
    );
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        tokio::spawn(serve_one(peer, stalls));
    }
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| word == name).expect(name);
        words[at + 1].clone()
    };
    let stalls = Stalls {
        spin: after("--kind") == "spin",
        hogs: after("--hogs").parse().unwrap(),
        span: Duration::from_millis(after("--span").parse().unwrap()),
    };
    START.set(Instant::now()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // As a task of its own, as main's thread is none of the workers.
    runtime.block_on(runtime.spawn(serve(stalls)))?
}
