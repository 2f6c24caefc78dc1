import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrafficMeter, type TrafficReading } from '../../../src/daemon/views/traffic.ts';

const reading = (over: Partial<TrafficReading>): TrafficReading => ({
  ...{ readBytes: 0, reads: 0, originBytes: 0, originRequests: 0, inFlight: 0 },
  ...over,
});

test('rates are those of the last seconds', () => {
  const meter = new TrafficMeter();
  for (let second = 0; second <= 10; second += 1) {
    // A thousand bytes a second, then nothing.
    meter.read(second * 1000, reading({ readBytes: Math.min(second, 5) * 1000, reads: Math.min(second, 5) * 10 }));
    if (second === 5) assert.equal(meter.rates().readBytesPerSecond, 1000);
  }
  assert.equal(meter.rates().readBytesPerSecond, 0);
  assert.equal(meter.rates().requestsPerSecond, 0);
});

test("the origin's rate leaves out the time in which nobody wanted anything", () => {
  const meter = new TrafficMeter();
  assert.equal(meter.rates().originRate, null);
  meter.read(0, reading({ inFlight: 1 }));
  meter.read(1000, reading({ originBytes: 5000, inFlight: 0 }));
  meter.read(60_000, reading({ originBytes: 5000, inFlight: 1 }));
  meter.read(61_000, reading({ originBytes: 10_000, inFlight: 0 }));
  assert.equal(meter.rates().originRate, 5000);
});

test('counters that begin anew make no negative rate', () => {
  const meter = new TrafficMeter();
  meter.read(0, reading({ readBytes: 1e9, originBytes: 1e9 }));
  meter.read(1000, reading({ readBytes: 10, originBytes: 10 }));
  meter.read(2000, reading({ readBytes: 110, originBytes: 10 }));
  assert.equal(meter.rates().readBytesPerSecond, 100);
});
