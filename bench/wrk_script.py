"""The Lua script that has wrk send the bench's events, and tell its figures as one line of JSON.

wrk builds each request in its own thread's Lua state, so the script is run with one thread: ids are numbered.
"""

from typing import Final

from bench import traffic
from bench.load_plan import Plan

SCRIPT: Final = """\
local run, visitors, n = "{run}", {visitors}, {first}
local kinds = {{
{kinds}
}}
local order = {{{order}}}
local fields = "Host: bench\\r\\nAuthorization: Bearer {write_key}\\r\\nContent-Type: application/json\\r\\n"
local start = "POST {path} HTTP/1.1\\r\\n" .. fields
local format = string.format

local function body()
  n = n + 1
  return kinds[order[n % #order + 1]](run .. "-" .. n, format("%07d", n * {stride} % visitors))
end

local function plain()
  local event = body()
  return start .. "Content-Length: " .. #event .. "\\r\\n\\r\\n" .. event
end

local function chunked()
  local event = body()
  return start .. "Transfer-Encoding: chunked\\r\\n\\r\\n" .. format("%x", #event) .. "\\r\\n" .. event
    .. "\\r\\n0\\r\\n\\r\\n"
end

local function get()
  return "GET {path} HTTP/1.1\\r\\nHost: bench\\r\\n\\r\\n"
end

request = {shape}

done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(format('\\n{{"requests":%d,"failed":%d,"seconds":%.6f,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,'
    .. '"longest_ms":%.3f,"tool":"wrk"}}\\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""


def script(plan: Plan) -> str:
    texts = traffic.templates(plan.kind)
    return SCRIPT.format(
        run=plan.run,
        visitors=plan.visitors,
        first=plan.first,
        kinds=",\n".join(f"  function(id, v) return {_concatenation(text)} end" for text in texts),
        order=", ".join(str(index + 1) for index in traffic.order()),
        write_key=traffic.WRITE_KEY,
        path=plan.path,
        stride=traffic.STRIDE,
        shape=plan.shape,
    )


def _concatenation(text: str) -> str:
    """A Lua expression; long brackets need no escapes, and the events hold no `]==]`."""
    pieces = text.replace(traffic.EVENT_ID, "]==] .. id .. [==[").replace(traffic.VISITOR, "]==] .. v .. [==[")
    return f"[==[{pieces}]==]"
