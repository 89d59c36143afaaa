import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** One arm of disjoint LinUCB: the inverse of A = I + sum x x', kept by Sherman and Morrison, and b. */
final class LinUcbArm {
    private static final double ALPHA = 1.0;
    private final int dim;
    private final double[] inverse;
    private final double[] b;
    private final double[] theta;
    private final double[] product;

    LinUcbArm(int dim) {
        this.dim = dim;
        inverse = new double[dim * dim];
        b = new double[dim];
        theta = new double[dim];
        product = new double[dim];
        for (int i = 0; i < dim; i++) {
            inverse[i * dim + i] = 1.0;
        }
    }

    static LinUcbArm decode(int dim, byte[] data) {
        LinUcbArm arm = new LinUcbArm(dim);
        ByteBuffer buffer = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asDoubleBuffer().get(arm.inverse).get(arm.b);
        arm.solve();
        return arm;
    }

    byte[] encode() {
        ByteBuffer buffer = ByteBuffer.allocate(8 * (dim * dim + dim)).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asDoubleBuffer().put(inverse).put(b);
        return buffer.array();
    }

    /** The upper confidence bound of the reward for the context x. */
    double score(double[] x) {
        double mean = 0.0;
        double variance = 0.0;
        for (int i = 0; i < dim; i++) {
            double sum = 0.0;
            int row = i * dim;
            for (int j = 0; j < dim; j++) {
                sum += inverse[row + j] * x[j];
            }
            variance += sum * x[i];
            mean += theta[i] * x[i];
        }
        return mean + ALPHA * Math.sqrt(Math.max(variance, 0.0));
    }

    void learn(double[] x, double reward) {
        double scale = 1.0;
        for (int i = 0; i < dim; i++) {
            double sum = 0.0;
            int row = i * dim;
            for (int j = 0; j < dim; j++) {
                sum += inverse[row + j] * x[j];
            }
            product[i] = sum;
            scale += sum * x[i];
            b[i] += reward * x[i];
        }
        for (int i = 0; i < dim; i++) {
            double factor = product[i] / scale;
            int row = i * dim;
            for (int j = 0; j < dim; j++) {
                inverse[row + j] -= factor * product[j];
            }
        }
        solve();
    }

    private void solve() {
        for (int i = 0; i < dim; i++) {
            double sum = 0.0;
            int row = i * dim;
            for (int j = 0; j < dim; j++) {
                sum += inverse[row + j] * b[j];
            }
            theta[i] = sum;
        }
    }
}
