"""The list of what is fuzzed."""

from tests.fuzz import bodies, connections, heads, policies, seals
from tests.fuzz.hunt import Target

TARGETS = (
    Target("target", heads.target, heads.heads_of_clients),
    Target("headers", heads.headers, heads.heads_of_clients),
    Target("sigv4", heads.sigv4, heads.sigv4_samples),
    Target("sigv2", heads.sigv2, heads.sigv2_samples),
    Target("form", bodies.form, bodies.form_samples),
    Target("post-policy", bodies.post_policy, bodies.post_policy_samples),
    Target("policy", policies.policy, policies.policy_samples),
    Target("chunked", bodies.chunked, bodies.chunked_samples),
    Target("xml", bodies.xml, bodies.xml_samples),
    Target("seal", seals.seal, seals.samples),
    Target("connection", connections.connection, connections.samples),
)
