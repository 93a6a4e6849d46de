"""Reading the configuration: what it becomes, and how each fault is told."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.destinations import Ga4, GoogleAds, Meta, Webhook
from actors.secret import Secret
from gateway.config import Config, load_config, snapshot_of
from gateway.config_reader import Reader
from gateway.config_values import Bind, ByteSize, Cidr, Origin, read
from gateway.errors import ConfigError
from gateway.settings import SiteSettings
from tests.support.service_accounts import make_account

META = """
[[sites.destinations]]
id = "meta-main"
type = "meta"
pixel_id = "1234567890"
access_token = { env = "META_ACCESS_TOKEN" }
"""
SHOP = f"""
[server]
bind = "0.0.0.0:80"
trusted_proxies = ["10.0.0.0/8", "::1"]
disk_budget = "512MiB"

[[sites]]
id = "shop"
write_keys = ["wk_shop", {{ file = "key.txt" }}]
public_keys = ["pk_shop"]
origins = ["https://Shop.example.com:443/"]
retention_days = 30
{META}
"""
ENV = {"META_ACCESS_TOKEN": "canary-token", "WHSEC": "whsec_" + "A" * 44}
WEBHOOK = 'id = "hook"\ntype = "webhook"\nsecret = { env = "WHSEC" }\n'


def load(folder: Path, text: str, env: dict[str, str] | None = None) -> Config:
    (folder / "config.toml").write_text(text, "utf-8")
    return load_config(folder / "config.toml", ENV if env is None else env)


def faults(folder: Path, text: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, env)
    return [fault.removeprefix(f"{folder / 'config.toml'}: ") for fault in caught.value.faults]


def in_site(rest: str) -> str:
    return f'[[sites]]\nid = "shop"\n{rest}\n'


def in_destination(rest: str, site: str = "") -> str:
    return in_site(site) + f"[[sites.destinations]]\n{rest}\n"


def test_a_file_becomes_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("wk_file\n")
    config = load(tmp_path, SHOP)
    (site,) = config.sites
    assert (config.server.bind.host, config.server.bind.port) == ("0.0.0.0", 80)
    assert config.server.disk_budget == 512 * 1024 * 1024
    assert [str(network) for network in config.server.trusted_networks()] == ["10.0.0.0/8", "::1/128"]
    assert site.write_keys == (Secret("wk_shop"), Secret("wk_file"))
    assert site.origins == ("https://shop.example.com",)
    meta = Meta(id="meta-main", pixel_id="1234567890", access_token=Secret("canary-token"))
    assert site.destinations == (meta,)


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("wk_file")
    shown = repr(load(tmp_path, SHOP)) + repr(snapshot_of(load(tmp_path, SHOP)))
    assert all(secret not in shown for secret in ("canary-token", "wk_shop", "wk_file"))


FAULTS: list[tuple[str, str]] = [
    ("[server]\nshard = 8", "server.shard: there is no such setting; give 'shards'"),
    ("[serve]", "serve: there is no such setting; give 'server'"),
    ("server = 5", "server: is a whole number; give a table"),
    ("[server]\nedges = -1", "server.edges: '-1' is not allowed; give a whole number of at least 0"),
    ("[server]\nshards = true", "server.shards: is true or false; give a whole number"),
    ("[server]\nkeep_alive_s = nan", "server.keep_alive_s: is nan; give a finite number"),
    ('[server]\nlog_level = "loud"', "server.log_level: 'loud' is none of the choices; give one of debug, info,"),
    ('[server]\nbind = "8080"', "server.bind: '8080' is no address to listen on; give \"host:port\""),
    ('[server]\nbind = ""', "server.bind: is empty"),
    ('[server]\nmetrics_bind = "127.0.0.1:8080"', "server.metrics_bind: '127.0.0.1:8080' is bind already"),
    ('[server]\ntrusted_proxies = ["::1", "proxy"]', "server.trusted_proxies[1]: 'proxy' is no address or network"),
    ("[server]\nmax_connections = 9", "server.max_connections_per_address: is above max_connections; give at most 9"),
    ('[server]\ndisk_budget = "5 parrots"', "server.disk_budget: '5 parrots' is no size"),
    ("[server]\ndisk_budget = 5", "server.disk_budget: 5 bytes hold too little"),
    ("sites = 5", "sites: is a whole number; give a list of tables, each under [[sites]]"),
    ("sites = [5]", "sites[0]: is a whole number; give a table"),
    ("[[sites]]", "sites[0].id: is missing; give 1 to 63 characters"),
    ('[[sites]]\nid = "The Shop"', "sites[0].id: 'The Shop' is not allowed; give 1 to 63 characters"),
    (in_site('origins = ["https://a.com", "shop"]'), "sites[0].origins[1]: 'shop' is no origin; give scheme://host"),
    (in_site("retention_days = 31"), "sites[0].retention_days: 31 is none of the choices; give one of 30, 90, 180"),
    (in_site("dedup_window_h = 0.5"), "sites[0].dedup_window_h: '0.5' is not allowed; give a number of at least 1"),
    (in_site("dedup_window_h = 2161"), "sites[0].dedup_window_h: is longer than retention_days; give at most 2160"),
    (in_site("purchase_hold_s = inf"), "sites[0].purchase_hold_s: is inf; give a finite number"),
    (in_site("ip_burst = 0"), "sites[0].ip_burst: lets no event through"),
    (in_site('default_country = "Germany"'), "sites[0].default_country: 'Germany' is not allowed; give two capital"),
    (in_site('write_keys = [""]'), "sites[0].write_keys[0]: is empty"),
    (in_site('write_keys = ["a:b:c:d"]'), "sites[0].write_keys[0]: is no key; give 4 to 200 visible ASCII characters"),
    (in_site('public_keys = ["pk_a", "pk_a"]'), "sites[0].public_keys[1]: this key is used already"),
    (in_site('write_keys = [{ env = "NO" }]'), "sites[0].write_keys[0]: the environment variable NO is not set"),
    (in_site('write_keys = [{ file = "no" }]'), "sites[0].write_keys[0]: the file no cannot be read: No such file"),
    (in_site("write_keys = [{ file = 5 }]"), "sites[0].write_keys[0].file: is a whole number; give a text"),
    (in_site("destinations = 5"), "sites[0].destinations: is a whole number; give a list of tables, each under [["),
    (in_destination(""), "sites[0].destinations[0].type: is missing; give one of meta, ga4"),
    (in_destination('type = "metta"'), "sites[0].destinations[0].type: 'metta' is no type of destination; give 'meta'"),
    (in_destination('id = "m"\ntype = "meta"'), "sites[0].destinations[0].pixel_id: is missing; give a text"),
    (in_site("") + META.replace("1234567890", "12x"), "sites[0].destinations[0].pixel_id: '12x' is no pixel id"),
    (in_site("") + META + "pixelid = 1", "sites[0].destinations[0].pixelid: there is no such setting; give 'pixel_id'"),
    (in_site("") + META + META, "sites[0].destinations[1].id: another destination has this id"),
    (in_site("") + META + 'events = ["Purchase"]', "sites[0].destinations[0].events[0]: 'Purchase' is another"),
    (in_site("") + META + "events = []", "sites[0].destinations[0].events: takes nothing"),
    (in_site("") + META + 'consent = ["analytics"]', "sites[0].destinations[0].consent: a meta destination needs at"),
    (
        in_site("") + META + "consent = []",
        "sites[0].destinations[0].consent: a meta destination needs at least marketing",
    ),
    (in_site("") + META + 'relies_on = "a contract"', "sites[0].destinations[0].relies_on: changes nothing"),
    (in_site("") + META + 'consent = []\nrelies_on = " "', "sites[0].destinations[0].relies_on: is no reason"),
    (in_site("") + META + 'consent = ["love"]', "sites[0].destinations[0].consent[0]: 'love' is none of the choices"),
    (in_site("") + META + "concurrency = 9", "sites[0].destinations[0].concurrency: 9 is out of range; give 1 to 8"),
    (in_site("") + META + 'base_url = "http://10.0.0.1"', "sites[0].destinations[0].base_url: 10.0.0.1: private"),
    (
        in_destination(WEBHOOK + 'url = "https://a.example"\nplaintext = true'),
        "sites[0].destinations[0].type: it needs",
    ),
    (in_destination(WEBHOOK + 'url = "ftp://a.example"'), "sites[0].destinations[0].url: "),
    ("a =", "is no TOML: "),
    ("\x00", "is no TOML: "),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_a_fault_is_told_with_its_path_and_what_would_be_right(tmp_path: Path, text: str, fault: str) -> None:
    assert [one for one in faults(tmp_path, text) if one.startswith(fault)], faults(tmp_path, text)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = faults(
        tmp_path, "[server]\nedges = -1\n" + in_site("ip_rat = 5\nretention_days = 3") + META + "concurrency = 0"
    )
    assert [one.partition(":")[0] for one in told] == [
        "server.edges",
        "sites[0].destinations[0].concurrency",
        "sites[0].ip_rat",
        "sites[0].retention_days",
    ]


def test_two_sites_share_no_id_no_key_and_no_events_api(tmp_path: Path) -> None:
    site = in_site('write_keys = ["canary"]\nevents_api = true')
    told = faults(tmp_path, site + site)
    assert [one.partition(":")[0] for one in told] == ["sites[1].id", "sites[1].write_keys[0]", "sites[1].events_api"]
    assert "canary" not in "".join(told)


@pytest.mark.parametrize("secret", ["canary\nX: 1", "canary\x00", " "])
def test_a_faulty_secret_is_not_shown(tmp_path: Path, secret: str) -> None:
    told = faults(tmp_path, in_site("") + META, {"META_ACCESS_TOKEN": secret})
    assert told
    assert "canary" not in "".join(told)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_config(tmp_path / "none.toml", {})


def test_tables_may_hold_values_from_the_environment(tmp_path: Path) -> None:
    text = in_destination(WEBHOOK + 'url = "https://a.example/in"\nheaders = { Authorization = { env = "AUTH" } }')
    (hook,) = load(tmp_path, text, ENV | {"AUTH": "Bearer x"}).sites[0].destinations
    assert isinstance(hook, Webhook)
    assert hook.headers == {"Authorization": Secret("Bearer x")}


def test_a_table_of_settings_may_have_a_key_named_env(tmp_path: Path) -> None:
    text = in_destination(
        'id = "ads"\ntype = "google_ads"\ncustomer_id = "1234567890"\naccess_token = "token"\n'
        'conversion_actions = { env = "111222333" }'
    )
    (ads,) = load(tmp_path, text).sites[0].destinations
    assert isinstance(ads, GoogleAds)
    assert ads.conversion_actions == {"env": "111222333"}


def test_a_private_address_is_allowed_where_that_is_said(tmp_path: Path) -> None:
    text = in_site("") + META + 'base_url = "http://127.0.0.1:9000/meta"\nallow_private = true'
    assert load(tmp_path, text).sites[0].destinations[0].base_url == "http://127.0.0.1:9000/meta"


def test_no_payloads_are_kept_of_a_destination_that_is_sent_plaintext(tmp_path: Path) -> None:
    hook = WEBHOOK + 'url = "https://a.example"\nplaintext = true\nkeep_payloads = true'
    assert faults(tmp_path, in_destination(hook, 'keep_plaintext = "sealed"')) == [
        "sites[0].destinations[0].keep_payloads: its requests carry plaintext identifiers, which are kept sealed only; "
        "leave it false"
    ]


def test_a_destination_that_takes_plaintext_is_taken_on_a_sealed_site(tmp_path: Path) -> None:
    hook = WEBHOOK + 'url = "https://a.example"\nplaintext = true'
    assert load(tmp_path, in_destination(hook, 'keep_plaintext = "sealed"')).sites[0].destinations[0].opens_plaintext()


# without a site


def test_the_environment_of_the_events_api_is_a_whole_configuration() -> None:
    env = {
        "META_ACCESS_TOKEN": "t",
        "META_PIXEL_ID": "123",
        "GA_SECRET_KEY": "s",
        "GA_MEASUREMENT_ID": "G-ABCDE12345",
        "GADS_CUSTOMER_ID": "123-456-7890",
        "GADS_ACCESS_TOKEN": "t",
        "GADS_CONVERSION_LABELS": "AW-1/AbC=111222333",
    }
    config = load_config(None, env)
    (site,) = config.sites
    assert [type(one) for one in site.destinations] == [Meta, Ga4, GoogleAds]
    assert snapshot_of(config).site_of_events_api() is not None
    assert config.notes == ()


def test_a_platform_without_its_ids_is_skipped_and_that_is_noted() -> None:
    config = load_config(None, {"META_ACCESS_TOKEN": "t", "GADS_DEVELOPER_TOKEN": "t"})
    assert config.sites[0].destinations == ()
    assert config.notes[0] == "Meta is skipped: META_PIXEL_ID not set"
    assert "GADS_DEVELOPER_TOKEN is not used" in config.notes[2]


def test_a_fault_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="the environment: META_PIXEL_ID: '12x' is no pixel id"):
        load_config(None, {"META_ACCESS_TOKEN": "t", "META_PIXEL_ID": "12x"})


def test_a_file_without_sites_keeps_its_server_and_takes_the_environments_site(tmp_path: Path) -> None:
    config = load(tmp_path, '[server]\nbind = "[::1]:9000"\n', {})
    assert (config.server.bind.host, config.sites[0].id) == ("::1", "events_api")


def test_the_environment_is_not_asked_once_a_site_is_declared(tmp_path: Path) -> None:
    config = load(tmp_path, in_site(""), {"META_ACCESS_TOKEN": "t", "META_PIXEL_ID": "12x"})
    assert config.sites[0].destinations == ()
    assert snapshot_of(config).site_of_events_api() is None


# the snapshot


def test_a_snapshot_has_the_sites_rules_in_milliseconds_and_its_keys(tmp_path: Path) -> None:
    rules = 'write_keys = ["wk_a"]\npublic_keys = ["pk_a"]\npurchase_hold_s = 0.25\ndedup_window_h = 48\nkey_rate = 10'
    snapshot = snapshot_of(load(tmp_path, in_site(rules)), version=7)
    site = snapshot.site_by_write_key("wk_a")
    assert site is not None
    assert site is snapshot.site_by_public_key("pk_a")
    assert (site.purchase_hold_ms, site.dedup_window_ms, site.key_burst) == (250, 48 * 3_600_000, 40)
    assert snapshot.version == 7


# values


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        (7, 7),
        ("512MiB", 512 << 20),
        ("64 GiB", 64 << 30),
        ("1.5k", 1536),
        ("1MB", 1_000_000),
        ("2TiB", 2 << 40),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert read(ByteSize, text) == size


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((ByteSize, value) for value in (0, -1, True, 1.5, "", "GiB", "-1", "1e3", "9999999TiB", "１KiB", None)),
        *(
            (Bind, value)
            for value in ("x", ":80", "a.example:80", "1.2.3.4:65536", "::1:80", "[1.2.3.4]:80", "1.2.3.4:８", 80)
        ),
        *(
            (Origin, value)
            for value in ("null", "*", "https://", "https://a/b", "https://a?b", "https://u@a", "ftp://a", 5)
        ),
        *((Origin, value) for value in ("https://*.a.com", "https://a:99999", "https://münchen.de", "https://a b")),
        *((Cidr, value) for value in ("", "a", "10.0.0.0/33", "1.2.3", True)),
        *((Secret, value) for value in ("", " ", "a\nb", 5, {"name": "x"})),
    ],
)
def test_values_that_are_refused(kind: type[Any], value: object) -> None:
    with pytest.raises(ValueError, match=r"; give "):
        read(kind, value)


@settings(deadline=None)
@given(
    st.sampled_from([Bind, ByteSize, Cidr, Origin, Secret]), st.one_of(st.text(), st.integers(), st.floats(), st.none())
)
def test_reading_a_value_gives_one_of_its_kind_or_says_what_would_be_right(kind: type[Any], value: object) -> None:
    result = attempt(kind, value)
    assert "; give " in result if type(result) is str else isinstance(result, kind)


def attempt(kind: type[Any], value: object) -> Any:
    """What was read, or the fault as a plain text."""
    try:
        return read(kind, value)
    except ValueError as error:
        return str(error)


TOML = st.recursive(
    st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["env", "file", "id", "type", "x"]), inner)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(setting=st.sampled_from(["write_keys", "origins", "retention_days", "ip_rate", "cookie_domain"]), value=TOML)
def test_no_value_of_a_setting_ends_in_anything_but_a_record_or_faults(setting: str, value: object) -> None:
    reader = Reader({}, Path())
    site = reader.record(SiteSettings, {"id": "shop", setting: value}, "sites[0]")
    assert (site is None) == bool(reader.faults)
    assert all(fault.path.startswith(f"sites[0].{setting}") for fault in reader.faults)


def test_a_ca_file_is_looked_at_when_it_is_configured(tmp_path: Path) -> None:
    told = faults(tmp_path, in_site("") + META + 'ca_file = "/nowhere/ca.pem"')
    assert told == ["sites[0].destinations[0].ca_file: '/nowhere/ca.pem' cannot be read: No such file or directory"]


def test_networks_that_are_allowed_open_those_and_no_others(tmp_path: Path) -> None:
    inner = in_site("") + META + 'base_url = "http://10.1.2.3:9000"\nallow_networks = '
    assert load(tmp_path, inner + '["10.1.0.0/16"]').sites[0].destinations[0].allow_networks == ("10.1.0.0/16",)
    [told] = faults(tmp_path, inner + '["10.2.0.0/16"]')
    assert told.startswith("sites[0].destinations[0].base_url: 10.1.2.3: private")
    told = faults(tmp_path, in_site("") + META + 'allow_networks = ["10.1.2.3/16"]')[0]
    assert told.startswith("sites[0].destinations[0].allow_networks[0]: '10.1.2.3/16' is no network")


def test_a_webhook_goes_by_https_unless_plain_http_is_allowed(tmp_path: Path) -> None:
    hook = in_destination(WEBHOOK + 'url = "http://hooks.example.com/in"')
    assert faults(tmp_path, hook) == [
        "sites[0].destinations[0].url: http is open to everyone on the way; give https, or allow_http = true"
    ]
    assert load(tmp_path, hook + "\nallow_http = true").sites[0].destinations[0].allow_http


def test_a_key_file_in_json_may_have_several_lines(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(make_account().key_file)
    ads = 'id = "ads"\ntype = "google_ads"\ncustomer_id = "1234567890"\nconversion_actions = { lead_submitted = "1" }\n'
    text = in_destination(ads + 'service_account = { file = "key.json" }')
    (found,) = load(tmp_path, text).sites[0].destinations
    assert isinstance(found, GoogleAds)
    assert found.oauth(0) is not None
    (tmp_path / "key.json").write_text("{canary\n}")
    told = faults(tmp_path, text)
    assert len(told) == 1
    assert "canary" not in told[0]
