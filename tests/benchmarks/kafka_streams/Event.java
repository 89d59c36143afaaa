import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** What the job reads of a request or a reward, by a streaming parser. */
final class Event {
    private static final JsonFactory JSON = new JsonFactory();
    private static final double LOG_HIGH = Math.log1p(131072.0);
    private static final int FIXED = 10;

    String requestId;
    String route;
    double quality;
    /** Of a request: the context as a vector. */
    double[] x;

    static Event parse(byte[] value, int dim) throws IOException {
        Event event = new Event();
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "request_id" -> event.requestId = parser.getText();
                    case "route" -> event.route = parser.getText();
                    case "quality" -> event.quality = parser.getDoubleValue();
                    case "context" -> event.x = context(parser, dim);
                    default -> parser.skipChildren();
                }
            }
        }
        return event;
    }

    private static double[] context(JsonParser parser, int dim) throws IOException {
        double[] x = new double[dim];
        x[0] = 1.0;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            switch (name) {
                case "input_tokens" ->
                    x[1] = Math.min(1.0, Math.log1p(parser.getDoubleValue()) / LOG_HIGH);
                case "output_length_category" -> x[2 + length(parser.getText())] = 1.0;
                case "priority" -> x[5] = parser.getDoubleValue() / 10.0;
                case "task_type" -> x[6 + task(parser.getText())] = 1.0;
                case "embedding" -> embedding(parser, x);
                default -> parser.skipChildren();
            }
        }
        return x;
    }

    private static int length(String name) {
        return switch (name) {
            case "short" -> 0;
            case "medium" -> 1;
            default -> 2;
        };
    }

    private static int task(String name) {
        return switch (name) {
            case "chat" -> 0;
            case "code_generation" -> 1;
            case "summary" -> 2;
            default -> 3;
        };
    }

    private static void embedding(JsonParser parser, double[] x) throws IOException {
        double squares = 0.0;
        int at = FIXED;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            double coordinate = parser.getDoubleValue();
            squares += coordinate * coordinate;
            x[at++] = coordinate;
        }
        double length = Math.sqrt(squares);
        for (int i = FIXED; length > 0.0 && i < at; i++) {
            x[i] /= length;
        }
    }
}
