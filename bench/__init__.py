"""What the gateway can do, measured against simulated platforms on the machine at hand: `python -m bench`.

ingest.py      durable acknowledgements a second and their latency, both doors, beside a hello world
pipeline.py    from the door to the platform's yes: the rate that lasts, latency, CPU, memory
recovery.py    how long a backlog takes to go out after an outage
isolation.py   whether a platform that hangs and one that fails slow down a third
state.py       throughput and memory with few and with many visitors known     known_visitors.py fills the stores
catalogue.py   whether every event ends rightly at every platform: catalogue_events.py draws, catalogue_rules.py judges

setting.py     what each bench is given; machine.py names the machine and shares its cores; report.py shows and writes
encoding.py    what encoding one event costs at each platform
routing.py     what deciding an event costs: default routes, filters, samples, transformations

destinations.py  each platform's block of configuration
gateway_process.py, hello.py, backlog.py    the processes that are measured, and what is read of them
load.py        loads, by wrk (wrk_script.py) or by raw_load.py; load_plan.py describes them, traffic.py their events
simulator/     the platforms
"""
