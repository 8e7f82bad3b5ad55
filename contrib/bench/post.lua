-- One tools/call of 200 bytes over and over; the summary as one line of JSON. Set NO_KEEPALIVE for a connection per call,
-- API_KEY for a key to show, TOOL for another tool.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2025-11-25"
wrk.headers["X-API-Key"] = os.getenv("API_KEY")
if os.getenv("NO_KEEPALIVE") then wrk.headers["Connection"] = "close" end

local start = '{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"' .. (os.getenv("TOOL") or "echo") .. '","arguments":{"text":"'
local stop = '"}}}'
wrk.body = start .. string.rep("a", 200 - #start - #stop) .. stop

function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        'RESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d,"bytes":%d}',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.bytes))
end
