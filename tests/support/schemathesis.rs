//! schemathesis holds a server to its own OpenAPI document.

use std::path::Path;
use std::process::Command;

use crate::tools::tool;

/// That nothing fails, and that whatever is answered stands in the document.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method,\
                      ignored_auth";

/// Asks what `document`, a URL, allows, and what it does not. `arguments` go to schemathesis as
/// they are; what it leaves behind goes into `folder`. Without it the test is skipped, which is
/// said.
pub(crate) fn assert_document_is_kept(document: &str, arguments: &[&str], folder: &Path) {
    let Some(schemathesis) = tool("schemathesis/bin/schemathesis") else { return };
    let mut command = Command::new(schemathesis);
    command.args(["run", document, "--checks", CHECKS, "--seed", "1", "--no-color"]);
    command.args(["--phases", "coverage,fuzzing", "--generation-database", "none"]);
    // How fast it thinks of requests is not what is tested.
    command.args(["--suppress-health-check", "all"]);
    let done = command.args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("Tested:") && !said.contains("Tested: 0"), "{said}");
}
