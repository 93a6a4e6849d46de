"""Attribution: which touchpoint gets credit for a conversion, and with what evidence (contracts/attribution.md).

All of it is pure. In the order in which an event meets it:

    settings.py      what a site may set, as the snapshot has it
    referrers.py     what class a referrer is of, and whether a source is a search engine, a network, a shop
    clicks.py        click ids of a landing url, and what each says
    evidence.py      source, medium and campaign from a landing, a message or a lead
    channels.py      the channel of these
    landings.py      whether an event begins a new contact: the table of section 2
    touchpoints.py   the touchpoint's record
    amounts.py       an amount in shares that add up to it
    models.py        the eight models: a path into shares
    paths.py         the path of a conversion: window, bounds, milestone, summary, confidence
    gaps.py          why nothing could be credited
    conversions.py   what is a conversion, and its record with every model

`actors/journeys.py` keeps the records: it reads the store within a batch and writes touchpoints and conversions.
"""
