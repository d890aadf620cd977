-- Sends every n-th request of a file, as they are; each once, then from the beginning. See benchmarks/load.py.
local requests, sent = {}, 0

function init(args)
  local file, first, step, n = assert(io.open(args[1], "rb")), tonumber(args[2]), tonumber(args[3]), 0
  for one in file:read("*a"):gmatch("([^%z]+)%z") do
    if n % step == first then requests[#requests + 1] = one end
    n = n + 1
  end
  file:close()
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nRESULT {"requests": %d, "seconds": %f, "errors": %d, "refused": %d, "p95": %f}\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.timeout, e.status, latency:percentile(95) / 1000))
end
