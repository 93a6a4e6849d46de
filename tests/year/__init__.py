"""A generated year of a shop, run through the gateway, and its figures worked out a second time from the plan alone.

landings.py   ways into the shop, and what each is to attribution
plan.py       people, devices, visits and orders of a year, drawn from a seed
requests.py   a visit as the requests that browsers and servers send
drive.py      the gateway in one process, its clock set to the year
expected.py   what the figures have to be, by contracts/attribution.md, without a line of the gateway's
"""
