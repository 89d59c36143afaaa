import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Decides for each request and learns from each reward.
 *
 * <p>Bandits live decoded in memory, for as long as the task does; what a reward changes is written
 * through to the store. An open decision is its arm and its context, until its reward comes.
 */
final class Deciding implements Processor<byte[], byte[], byte[], byte[]> {
    static final String ARMS = "arms";
    static final String OPEN = "open";

    private final String rewards;
    private final int arms;
    private final int dim;
    private final Map<String, LinUcbArm[]> routes = new HashMap<>();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> armStore;
    private KeyValueStore<Bytes, byte[]> openStore;

    Deciding(String rewards, int arms, int dim) {
        this.rewards = rewards;
        this.arms = arms;
        this.dim = dim;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        armStore = context.getStateStore(ARMS);
        openStore = context.getStateStore(OPEN);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            Event event = Event.parse(record.value(), dim);
            if (context.recordMetadata().orElseThrow().topic().equals(rewards)) {
                learn(event);
            } else {
                context.forward(record.withValue(decide(event)));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private byte[] decide(Event event) {
        Bytes key = Bytes.wrap(event.requestId.getBytes(StandardCharsets.UTF_8));
        byte[] stored = openStore.get(key);
        int best = 0;
        if (stored != null) {
            best = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN).getInt();
        } else {
            LinUcbArm[] route = route(event.route);
            double highest = Double.NEGATIVE_INFINITY;
            for (int arm = 0; arm < arms; arm++) {
                double score = route[arm].score(event.x);
                if (score > highest) {
                    highest = score;
                    best = arm;
                }
            }
            ByteBuffer open = ByteBuffer.allocate(4 + 8 * dim).order(ByteOrder.LITTLE_ENDIAN);
            open.putInt(best);
            open.asDoubleBuffer().put(event.x);
            openStore.put(key, open.array());
        }
        return answer(event, best);
    }

    private void learn(Event event) {
        Bytes key = Bytes.wrap(event.requestId.getBytes(StandardCharsets.UTF_8));
        byte[] stored = openStore.get(key);
        if (stored == null) {
            return; // a repeated reward
        }
        ByteBuffer open = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN);
        int arm = open.getInt();
        double[] x = new double[dim];
        open.asDoubleBuffer().get(x);
        LinUcbArm learner = route(event.route)[arm];
        learner.learn(x, event.quality);
        armStore.put(armKey(event.route, arm), learner.encode());
        openStore.delete(key);
    }

    private LinUcbArm[] route(String name) {
        LinUcbArm[] found = routes.get(name);
        if (found == null) {
            found = new LinUcbArm[arms];
            for (int arm = 0; arm < arms; arm++) {
                byte[] data = armStore.get(armKey(name, arm));
                found[arm] = data == null ? new LinUcbArm(dim) : LinUcbArm.decode(dim, data);
            }
            routes.put(name, found);
        }
        return found;
    }

    private static Bytes armKey(String route, int arm) {
        return Bytes.wrap((route + '\0' + arm).getBytes(StandardCharsets.UTF_8));
    }

    /** The ids and names of the load generator need no escaping. */
    private static byte[] answer(Event event, int arm) {
        String text =
            "{\"status\":\"decided\",\"request_id\":\"" + event.requestId
                + "\",\"route\":\"" + event.route
                + "\",\"arm\":\"arm-" + arm
                + "\",\"model\":\"acme/model-" + arm
                + "\",\"params\":{\"temperature\":0.7,\"max_tokens\":1024},\"propensity\":1.0}";
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
