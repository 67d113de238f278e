import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.internal.DrainingCloseable.DrainingMode;
import io.confluent.parallelconsumer.vertx.VertxParallelEoSStreamProcessor;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
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
 * Its input says what to do: `consume TOPIC RESULTS GROUP`, `halt`; so that one warm JVM serves many measurements.
 */
public final class Peer {
    private static final long REQUEST_TIMEOUT_MS = 10_000;

    private static final int CONCURRENCY = Integer.parseInt(env("CONCURRENCY"));
    private static final String HOST = env("TARGET").replaceFirst("^http://", "").replaceFirst(":.*$", "");
    private static final int PORT = Integer.parseInt(env("TARGET").replaceFirst("^.*:", ""));
    private static final KafkaProducer<String, byte[]> PRODUCER = new KafkaProducer<>(
            Map.<String, Object>of("bootstrap.servers", env("BROKERS"), "acks", "all", "linger.ms", 5),
            new StringSerializer(), new ByteArraySerializer());

    public static void main(String[] args) throws IOException {
        var input = new BufferedReader(new InputStreamReader(System.in));
        VertxParallelEoSStreamProcessor<String, byte[]> processor = null;
        System.out.println("ready");
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("consume")) {
                processor = consume(words[1], words[2], words[3]);
                System.out.println("consuming");
            } else {
                processor.close(Duration.ofSeconds(5), DrainingMode.DONT_DRAIN);
                System.out.println("halted");
            }
        }
        System.exit(0);
    }

    private static VertxParallelEoSStreamProcessor<String, byte[]> consume(String in, String out, String group) {
        Vertx vertx = Vertx.vertx();
        WebClient web = WebClient.create(
                vertx, new WebClientOptions().setKeepAlive(true).setPipelining(false).setMaxPoolSize(CONCURRENCY));
        PRODUCER.partitionsFor(out);
        var consumer = new KafkaConsumer<>(
                Map.<String, Object>of(
                        "bootstrap.servers", env("BROKERS"), "group.id", group, "enable.auto.commit", false,
                        "auto.offset.reset", "earliest", "max.poll.records", 2000),
                new StringDeserializer(), new ByteArrayDeserializer());
        var options = ParallelConsumerOptions.<String, byte[]>builder()
                .consumer(consumer)
                .ordering(ProcessingOrder.valueOf(env("ORDER")))
                .maxConcurrency(CONCURRENCY)
                .build();
        var processor = new VertxParallelEoSStreamProcessor<String, byte[]>(vertx, web, options);
        processor.subscribe(List.of(in));
        processor.vertxFuture(context -> {
            ConsumerRecord<String, byte[]> record = context.getSingleConsumerRecord();
            var request = new JsonObject(Buffer.buffer(record.value()));
            long startedAt = System.nanoTime();
            return web.post(PORT, HOST, request.getString("path"))
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
                        PRODUCER.send(new ProducerRecord<>(out, record.key(), result.toBuffer().getBytes()), (metadata, error) -> {
                            if (error == null) acknowledged.complete();
                            else acknowledged.fail(error);
                        });
                        return acknowledged.future();
                    });
        });
        return processor;
    }

    private static String env(String name) {
        return java.util.Objects.requireNonNull(System.getenv(name), name);
    }
}
