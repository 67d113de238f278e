import { recordSpans } from '@cf/messaging';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import type { PlatformConfig } from './platform.config.js';

/** Some seconds of full load, a few MB; what a collector does not take in time is dropped, calls never wait for it. */
const QUEUED_SPANS_MAX = 20_000;

/** Records the spans of this process and sends them to the collector that is set. Answers how to send the last ones and stop. */
export const exportTraces = ({ traces, kafka }: PlatformConfig, service: string): (() => Promise<void>) => {
  if (traces === null) return () => Promise.resolve();
  const exporter = new OTLPTraceExporter({ url: `${traces.endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'cloud-functions' }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(traces.sampledShare) }),
    spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: QUEUED_SPANS_MAX })],
  });
  recordSpans(provider.getTracer('cloud-functions'), kafka === null ? 'cf_embedded' : 'kafka');
  return async () => {
    recordSpans(null);
    await provider.shutdown().catch(() => undefined);
  };
};
