import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.vertx.VertxParallelEoSStreamProcessor;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Confluent's parallel consumer with its Vert.x module: POSTs the body of each request and completes the record once its
 * result, the request with what came back, is acknowledged. No response within 10 s fails the record, which the library retries.
 */
public final class Peer {
    private static final long REQUEST_TIMEOUT_MS = 10_000;

    public static void main(String[] args) {
        int concurrency = Integer.parseInt(env("CONCURRENCY"));
        String target = env("TARGET");
        String host = target.replaceFirst("^http://", "").replaceFirst(":.*$", "");
        int port = Integer.parseInt(target.replaceFirst("^.*:", ""));
        String out = env("OUT");

        Vertx vertx = Vertx.vertx();
        WebClient web = WebClient.create(
                vertx, new WebClientOptions().setKeepAlive(true).setPipelining(false).setMaxPoolSize(concurrency));
        var producer = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", env("BROKERS"), "acks", "all", "linger.ms", 5),
                new StringSerializer(), new ByteArraySerializer());
        producer.partitionsFor(out);
        var consumer = new KafkaConsumer<>(
                Map.<String, Object>of(
                        "bootstrap.servers", env("BROKERS"), "group.id", env("GROUP"), "enable.auto.commit", false,
                        "auto.offset.reset", "earliest", "max.poll.records", 2000),
                new StringDeserializer(), new ByteArrayDeserializer());
        var options = ParallelConsumerOptions.<String, byte[]>builder()
                .consumer(consumer)
                .ordering(ProcessingOrder.valueOf(env("ORDER")))
                .maxConcurrency(concurrency)
                .build();
        var processor = new VertxParallelEoSStreamProcessor<String, byte[]>(vertx, web, options);
        processor.subscribe(List.of(env("IN")));
        processor.vertxFuture(context -> {
            ConsumerRecord<String, byte[]> record = context.getSingleConsumerRecord();
            var request = new JsonObject(Buffer.buffer(record.value()));
            long startedAt = System.nanoTime();
            return web.post(port, host, request.getString("path"))
                    .putHeader("content-type", "application/json")
                    .putHeader("x-cloud-function-invocation-id", request.getString("invocationId"))
                    .timeout(REQUEST_TIMEOUT_MS)
                    .sendBuffer(Buffer.buffer(request.getString("body")))
                    .compose(response -> {
                        Promise<Void> acknowledged = Promise.promise();
                        var result = new JsonObject()
                                .put("request", request)
                                .put("status", response.statusCode())
                                .put("answer", response.bodyAsString())
                                .put("durationMs", (System.nanoTime() - startedAt) / 1_000 / 1_000.0);
                        producer.send(new ProducerRecord<>(out, record.key(), result.toBuffer().getBytes()), (metadata, error) -> {
                            if (error == null) acknowledged.complete();
                            else acknowledged.fail(error);
                        });
                        return acknowledged.future();
                    });
        });
    }

    private static String env(String name) {
        return java.util.Objects.requireNonNull(System.getenv(name), name);
    }
}
