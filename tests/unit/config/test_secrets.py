"""Which values are secrets."""

from pydantic import SecretStr

from anyclaude.config.model import Settings
from anyclaude.config.secrets import secrets_of
from anyclaude.config.upstreams import Backends, Discovery, MlxCluster, Node, OpenRouter


def test_secrets_of_settings_and_environment() -> None:
    node = Node(id="a", url="http://a", token=SecretStr("token-of-a-node"))
    backends = Backends(
        openrouter=OpenRouter(api_key=SecretStr("key-of-openrouter")),
        mlx_cluster=MlxCluster(discovery=Discovery(nodes=(node,))),
    )
    settings = Settings(auth_token=SecretStr("token-of-the-launch"), backends=backends)
    environ = {
        "GITHUB_TOKEN": "token-of-github",
        "AWS_SECRET_ACCESS_KEY": "key-of-aws-account",
        "DB_PASSWORD": "tiny",
        "KEYBOARD": "not-a-secret",
        "PATH": "/usr/local/bin",
        "ANTHROPIC_CUSTOM_HEADERS": "x-team: platform-engineering\nx-gateway: pass-4711-for-it",
    }
    assert secrets_of(settings, environ) == {
        "token-of-a-node",
        "key-of-openrouter",
        "token-of-the-launch",
        "token-of-github",
        "key-of-aws-account",
        "pass-4711-for-it",
    }
