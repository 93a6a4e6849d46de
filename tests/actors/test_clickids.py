"""Click ids and identity cookies of contracts/click_ids.md."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clickids import clean_click_id, fill_click_ids
from actors.event import Page, UserData

SEEN_MS = 1795168512345  # 2026-11-20T09:55:12.345Z
SAMPLE_URL = (
    "https://shop.example.com/products/oolong?utm_source=google&utm_medium=cpc"
    "&gclid=Cj0ExampleClick&gbraid=0AAExampleG&fbclid=IwAR2exampleClick_aB-9"
)
SAMPLE_COOKIES = (
    "_fbp=fb.1.1795000000000.1098115397; _fbc=fb.1.1794000000000.IwAR1older; _ga=GA1.1.1098115397.1790000000; "
    "_ga_EXAMPLE123=GS2.1.s1795168512$o3$g1$t1795168801$j60$l0$h0; _gcl_aw=GCL.1790000000.Cj0Older; "
    "_uetmsclkid=_uet0123456789abcdef0123456789abcdef; _ttp=TDYcExampleValue0123456789A; "
    "__kla_id=eyJjaWQiOiJOMk15WXpaak1XVXRNMll6WVMwMFlqWXlMVGxoTlRVdE1HWTJZV1E1WWpCak1HUmwiLCIkZXhjaGFuZ2VfaWQiOiJa"
    "bTl2WW1GeUxYTmhiWEJzWlEuQWJDMTIzIn0="
)


def read(url: str | None = None, cookies: str | None = None, user: UserData | None = None) -> UserData:
    return fill_click_ids(user or UserData(), Page(url=url), cookies, SEEN_MS)[0]


def present(user: UserData) -> dict[str, object]:
    return {field: value for field, value in msgspec.structs.asdict(user).items() if value is not None}


def test_the_pages_sample_is_read_as_it_says() -> None:
    user, properties = fill_click_ids(UserData(), Page(url=SAMPLE_URL), SAMPLE_COOKIES, SEEN_MS)
    assert user == UserData(
        fbp="fb.1.1795000000000.1098115397",
        fbc="fb.1.1795168512345.IwAR2exampleClick_aB-9",
        ga_client_id="1098115397.1790000000",
        ga_session_id="1795168512",
        gclid="Cj0ExampleClick",
        gbraid="0AAExampleG",
        ttp="TDYcExampleValue0123456789A",
        msclkid="0123456789abcdef0123456789abcdef",
        kx="Zm9vYmFyLXNhbXBsZQ.AbC123",
    )
    assert properties == {"utm_source": "google", "utm_medium": "cpc"}


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("fbclid=IwAR2", "fbc", "fb.1.1795168512345.IwAR2"),
        ("gclid=Cj0.a-b_C", "gclid", "Cj0.a-b_C"),
        ("wbraid=Ck1", "wbraid", "Ck1"),
        ("ttclid=E.C.P.abc", "ttclid", "E.C.P.abc"),
        ("epik=dj0yJnU9ZQ%3D%3D", "epik", "dj0yJnU9ZQ=="),
        ("ScCid=6ca1", "sc_click_id", "6ca1"),
        ("sccid=6ca1", "sc_click_id", "6ca1"),
        ("li_fat_id=0f3c", "li_fat_id", "0f3c"),
        ("rdt_cid=42x", "rdt_cid", "42x"),
        ("awc=12345_1795032251_0f3c5e0b", "awc", "12345_1795032251_0f3c5e0b"),
        ("tblci=GiABC", "tblci", "GiABC"),
        ("msclkid=0123456789abcdef0123456789abcdef-1", "msclkid", "0123456789abcdef0123456789abcdef"),
        ("_kx=Zm9v.AbC123", "kx", "Zm9v.AbC123"),
    ],
)
def test_each_networks_parameter_goes_to_its_field(query: str, field: str, value: str) -> None:
    assert present(read(f"https://shop.example.com/?a=1&{query}#top")) == {field: value}


@pytest.mark.parametrize(
    ("cookie", "field", "value"),
    [
        ("_ga=GA1.2.amp-AbCdEf", "ga_client_id", "amp-AbCdEf"),
        ("FPID=FPID2.2.abc.123", "ga_client_id", "abc.123"),
        ("_ga_X=GS1.1.1795168512.3.1.1795168801.60.0.0", "ga_session_id", "1795168512"),
        ("_ga_X=GS2.1.o3%24s1795168512%24g1", "ga_session_id", "1795168512"),
        ("_gcl_aw=GCL.1795168512.Cj0.Example", "gclid", "Cj0.Example"),
        ("_gac_UA-1=1.1795168512.Cj0", "gclid", "Cj0"),
        ("FPGCLAW=2.1.kCj0ExampleClick$i1795168512", "gclid", "Cj0ExampleClick"),
        ("_gcl_gb=GCL.1795168512.CkExampleW", "wbraid", "CkExampleW"),
        ("_gcl_ag=2.1.kCmExampleG$i1795168512", "gbraid", "CmExampleG"),
        ("ttclid=E_C_P_abc", "ttclid", "E_C_P_abc"),
        ("_epik=dj0yJnU9ZQ==", "epik", "dj0yJnU9ZQ=="),
        ("_scid=2_abc", "sc_cookie1", "2_abc"),
        ("li_fat_id=0f3c", "li_fat_id", "0f3c"),
        ("_rdt_cid=42x", "rdt_cid", "42x"),
        ("_rdt_uuid=1795168512345.0f3c", "rdt_uuid", "1795168512345.0f3c"),
        ("_aw_m_12345=12345_1795032251_0f3c", "awc", "12345_1795032251_0f3c"),
        ("_fbc=fb.1.1794000000000.IwAR1.AQ", "fbc", "fb.1.1794000000000.IwAR1.AQ"),
    ],
)
def test_each_cookie_goes_to_its_field(cookie: str, field: str, value: str) -> None:
    assert present(read(cookies=f"a=b; {cookie}; c")) == {field: value}


@pytest.mark.parametrize(
    "cookies",
    [
        "_fbp=undefined; _fbc=fb.1.17.IwAR; _ga=1098115397; _ga_X=GS3.1.1; _gcl_aw=Cj0; _gcl_au=1.1.5.6",
        "_ga_X=GS2.1.o3$g1; __kla_id=!!!; _ttp=a b; ttclid=null; _epik=" + "x" * 1025,
        "__kla_id=W10=; _uetmsclkid=_uet; =x; ; _ga_X",
        "_ga_X=GS1.1.17.1; _ga_Y=GS1.1.18.1",  # which stream's session is meant?
    ],
)
def test_a_malformed_cookie_is_ignored(cookies: str) -> None:
    assert read(cookies=cookies) == UserData()


def test_of_several_sessions_the_destinations_own_is_taken() -> None:
    cookies = "_ga_X=GS1.1.17.1; _ga_Y=GS1.1.18.1"
    user, _ = fill_click_ids(UserData(), Page(), cookies, SEEN_MS, ga_measurement_id="G-Y")
    assert user.ga_session_id == "18"


def test_the_sender_beats_the_url_and_the_url_beats_the_cookie() -> None:
    cookies = "_gcl_aw=GCL.1.cookie; ttclid=cookie; _epik=cookie"
    user = read("https://x.example/?gclid=url&ttclid=url", cookies, UserData(gclid="sender"))
    assert (user.gclid, user.ttclid, user.epik) == ("sender", "url", "cookie")


def test_a_cookie_of_the_same_click_keeps_its_time() -> None:
    cookies = "_fbc=fb.2.1794000000000.IwAR2"
    assert read("https://x.example/?fbclid=IwAR2", cookies).fbc == "fb.2.1794000000000.IwAR2"
    assert read("https://x.example/?fbclid=IwAR3", cookies).fbc == "fb.1.1795168512345.IwAR3"


def test_a_url_without_click_ids_changes_nothing() -> None:
    user = UserData(external_id="cust_10482")
    assert fill_click_ids(user, Page(url="https://x.example/?q=tea"), None, SEEN_MS) == (user, {})
    assert fill_click_ids(user, Page(), None, SEEN_MS) == (user, {})


def test_campaign_parameters_are_decoded_as_a_form_is() -> None:
    url = "https://x.example/?UTM_Campaign=autumn+sale%21&utm_term=&gad_source=1&utm_id=%00"
    assert fill_click_ids(UserData(), Page(url=url), None, SEEN_MS)[1] == {
        "utm_campaign": "autumn sale!",
        "gad_source": "1",
    }


@given(st.text(), st.text())
def test_no_url_and_no_cookie_makes_the_reading_fail(query: str, cookies: str) -> None:
    user, properties = fill_click_ids(UserData(), Page(url=f"?{query}"), f"{cookies}; __kla_id={cookies}", SEEN_MS)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(user), type=UserData) == user
    assert all(len(value) <= 1024 for value in properties.values())


@given(st.sampled_from(["fbp", "fbc", "gclid", "msclkid"]), st.text())
def test_cleaning_a_click_id_twice_is_cleaning_it_once(field: str, text: str) -> None:
    once = clean_click_id(field, text)
    assert once is None or field == "msclkid" or clean_click_id(field, once) == once
