//! What the codec costs for one message, beside `httparse`, which finds the tokens of a head and
//! leaves open what they mean. Run by `just codec`.

use std::hint::black_box;

use cloudaps::http1::{
    Forwarding, Hop, Limits, Method, Peer, Persistence, Reply, RequestHead, RequestId,
    ResponseHead, Scheme, Version, write_request, write_response,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// More than any message here has.
const HEADERS_MAX: usize = 32;

/// What a tool or another service sends.
const REQUEST: &str = "GET /tasks/17 HTTP/1.1\r\nHost: tasks.example:5000\r\n\
    User-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

/// What a browser sends.
const BROWSER: &str = "GET /assets/app.js?v=12 HTTP/1.1\r\nHost: shop.example.com\r\n\
    Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n\
    sec-ch-ua-mobile: ?0\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\nsec-ch-ua-platform: \"Linux\"\r\n\
    Accept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Dest: script\r\nReferer: https://shop.example.com/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Cookie: session=6f1ed002ab5595859014ebf0951522d9; theme=dark\r\n\r\n";

/// What a small API answers.
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 133\r\n\r\n";

criterion_group!(benches, requests, responses, ids);
criterion_main!(benches);

fn requests(criterion: &mut Criterion) {
    let limits = Limits::default();
    let id = RequestId::from_draw(7);
    let peer = Peer::new([192, 0, 2, 1].into(), Scheme::Http);
    let (forwarding, request_id) = (Forwarding::Overwrite, &id);
    let (peer, default_host) = (&peer, b"a".as_slice());
    let hop = Hop { forwarding, peer, request_id, default_host, own_cookie: None, trace: None };
    for (name, text) in [("a tool's request", REQUEST), ("a browser's request", BROWSER)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut head = RequestHead::default();
        group.bench_function("read and checked", |bench| {
            bench.iter(|| {
                head.clear();
                head.parse(black_box(text.as_bytes()), &limits)
            });
        });
        group.bench_function("tokens found by httparse", |bench| {
            bench.iter(|| {
                let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
                let mut head = httparse::Request::new(&mut headers);
                black_box(head.parse(black_box(text.as_bytes()))).is_ok()
            });
        });
        let mut out = Vec::with_capacity(16 * 1024);
        group.bench_function("written to go on", |bench| {
            bench.iter(|| {
                out.clear();
                write_request(&mut out, &head, black_box(text.as_bytes()), &hop);
            });
        });
    }
}

fn responses(criterion: &mut Criterion) {
    let limits = Limits::default();
    let request_id = &RequestId::from_draw(7);
    let (method, version, persistence) = (Method::Get, Version::Http11, Persistence::KeepAlive);
    let reply = Reply { method, version, persistence, request_id, date: None, cookie: None };
    let mut group = criterion.benchmark_group("a response");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    let mut head = ResponseHead::default();
    group.bench_function("read and checked", |bench| {
        bench.iter(|| {
            head.clear();
            head.parse(black_box(RESPONSE.as_bytes()), &limits, Method::Get)
        });
    });
    group.bench_function("tokens found by httparse", |bench| {
        bench.iter(|| {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut head = httparse::Response::new(&mut headers);
            black_box(head.parse(black_box(RESPONSE.as_bytes()))).is_ok()
        });
    });
    let mut out = Vec::with_capacity(16 * 1024);
    group.bench_function("written to go back", |bench| {
        bench.iter(|| {
            out.clear();
            write_response(&mut out, &head, black_box(RESPONSE.as_bytes()), &reply)
        });
    });
}

fn ids(criterion: &mut Criterion) {
    criterion.bench_function("a request id", |bench| {
        bench.iter(|| RequestId::from_draw(black_box(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)));
    });
}
