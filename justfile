# Shortcuts. `./test` is the whole check; these are its parts, and `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @just --list --unsorted

# Run the whole system on this machine.
up *args:
    cargo run --release --locked -- up {{ args }}

# Build the program as it is shipped.
build:
    cargo build --release --locked

# Build the program as it is released: trained by the benchmark's loads, to target/trained/release.
release *args:
    bench/train {{ args }}

# Check everything, or run only the tests that match: `just test drain`.
test *filter:
    ./test {{ filter }}

# Format the code.
fmt:
    cargo fmt --all

# Run the lints.
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Build the documentation of the library.
doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --locked

# Put the conformance table to CloudAPS, nginx and HAProxy, and write docs/conformance.md.
conformance:
    cargo test --locked --test conformance -- --ignored --nocapture comparison

# Live so many simulated fleets, from the first seed or from another one on.
simulate seeds="10000" first="0":
    CLOUDAPS_SEEDS={{ seeds }} CLOUDAPS_SEED={{ first }} cargo test --release --locked \
        --test simulation -- --ignored --exact --nocapture many_worlds

# Kill the backend a hundred times under writes, with each store, and compare what is there.
kill-backend:
    cargo test --locked --test up -- --ignored --exact --nocapture \
        kept::every_answered_write_outlives_a_hundred_kills_in_either_store

# Write docs/simulation.md: the laws, and after how many seeds each deliberate bug is found.
simulation-table:
    cargo test --locked --test simulation -- --ignored --exact --nocapture table

# Check the dependencies' licences, advisories and sources (needs cargo-deny).
deny:
    cargo deny --locked check

# Fuzz request_head, response_head, chunked_body, proxy_header or client_address (needs cargo-fuzz).
fuzz target seconds="60":
    mkdir -p fuzz/corpus/{{ target }}
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{ target }} fuzz/corpus/{{ target }} \
        tests/codec/corpus/$(cut -d _ -f 1 <<<{{ target }}) -- \
        -dict=fuzz/http.dict -max_len=1024 -timeout=10 -max_total_time={{ seconds }}

# Compare with nginx, HAProxy and a bare relay.
bench *args: release
    cargo build --release --locked --package cloudaps-bench
    target/release/cloudaps-bench run --cloudaps target/trained/release/cloudaps {{ args }}

# Time what the codec does with a message, beside httparse.
codec *args:
    cargo bench --locked -p cloudaps-bench --bench codec -- {{ args }}

# Kill origins under load behind CloudAPS, nginx, HAProxy and Caddy, and write what that cost.
bench-failover *args:
    cargo build --release --locked --workspace
    target/release/cloudaps-bench failover {{ args }}

# Write and read tasks, beside what the stores can do and beside Flask, and write what it found.
bench-tasks *args:
    test -e target/tools/flask/bin/gunicorn || { python3 -m venv target/tools/flask && \
        target/tools/flask/bin/pip install -q flask==3.1.3 sqlalchemy==2.1.9 gunicorn==27.0.1 \
        psycopg2-binary==2.9.13; }
    cargo build --release --locked --workspace
    target/release/cloudaps-bench tasks --python target/tools/flask/bin/python {{ args }}

# Time a plan, an event, a snapshot and a pick among ten thousand.
scale *args:
    cargo bench --locked -p cloudaps-bench --bench scale -- {{ args }}
