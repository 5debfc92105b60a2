//! How this process asks others over HTTP: portals whose log it verifies, and witnesses.

use std::time::Duration;

/// An agent that follows no redirection: whoever wants a sign-in redirects to it, and a witness has nowhere to send one.
pub(super) fn agent(name: &str, connect: Option<Duration>, whole: Duration) -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder()
        .provider(ureq::tls::TlsProvider::NativeTls)
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(connect)
        .timeout_global(Some(whole))
        .user_agent(name)
        .build()
        .new_agent()
}
