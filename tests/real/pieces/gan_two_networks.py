"""A small GAN: discriminator and generator step by step; the generator's loss goes through both."""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lrelu(x, alpha=0.2):
    return np.maximum(x, alpha * x)


def dlrelu(x, alpha=0.2):
    dx = np.ones_like(x)
    dx[x < 0] = alpha
    return dx


class GAN:
    def __init__(self, seed=43):
        rs = np.random.RandomState(seed)
        # generator 2 -> 4 -> 3
        self.W0_g, self.b0_g = rs.randn(2, 4), 0.1 * rs.randn(1, 4)
        self.W1_g, self.b1_g = rs.randn(4, 3) * 0.7, 0.1 * rs.randn(1, 3)
        # discriminator 3 -> 4 -> 1
        self.W0_d, self.b0_d = rs.randn(3, 4), 0.1 * rs.randn(1, 4)
        self.W1_d, self.b1_d = rs.randn(4, 1), 0.1 * rs.randn(1, 1)

    def forward_generator(self, z):
        self.z0_g = z @ self.W0_g + self.b0_g
        self.a0_g = lrelu(self.z0_g, 0.0)
        self.z1_g = self.a0_g @ self.W1_g + self.b1_g
        self.a1_g = np.tanh(self.z1_g)
        return self.a1_g

    def forward_discriminator(self, x):
        self.z0_d = x @ self.W0_d + self.b0_d
        self.a0_d = lrelu(self.z0_d)
        self.z1_d = self.a0_d @ self.W1_d + self.b1_d
        return sigmoid(self.z1_d)

    def generator_loss(self, z):
        return -np.mean(np.log(self.forward_discriminator(self.forward_generator(z))))

    def backward_generator(self, z):
        x_fake = self.forward_generator(z)
        a1_d = self.forward_discriminator(x_fake)

        # through the discriminator
        da1_d = -1.0 / a1_d / len(z)
        dz1_d = da1_d * a1_d * (1 - a1_d)
        da0_d = dz1_d @ self.W1_d.T
        dz0_d = da0_d * dlrelu(self.z0_d)
        dx_d = dz0_d @ self.W0_d.T

        # through the generator
        dz1_g = dx_d * (1 - x_fake ** 2)
        dW1_g = self.a0_g.T @ dz1_g
        db1_g = np.sum(dz1_g, axis=0, keepdims=True)
        da0_g = dz1_g @ self.W1_g.T
        dz0_g = da0_g * dlrelu(self.z0_g, alpha=0.0)
        dW0_g = z.T @ dz0_g
        db0_g = np.sum(dz0_g, axis=0, keepdims=True)
        return dW0_g, db0_g, dW1_g, db1_g


gan = GAN()
z = np.random.RandomState(44).randn(6, 2)


def loss_g(W0_g, b0_g, W1_g, b1_g):
    gan.W0_g, gan.b0_g, gan.W1_g, gan.b1_g = W0_g, b0_g, W1_g, b1_g
    return gan.generator_loss(z)


def grads_g(W0_g, b0_g, W1_g, b1_g):
    gan.W0_g, gan.b0_g, gan.W1_g, gan.b1_g = W0_g, b0_g, W1_g, b1_g
    return gan.backward_generator(z)


point = {"W0_g": gan.W0_g, "b0_g": gan.b0_g, "W1_g": gan.W1_g, "b1_g": gan.b1_g}


def plain():
    return lambda: loss_g(**point), point, dict(zip(point, grads_g(**point)))


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(loss_g, grads_g, **point)",
    "verdict": "right",
    "stores": "dx[x < 0] = alpha, in the gradients only",
    "mistakes": [
        ("dz1_g = dx_d * (1 - x_fake ** 2)", "dz1_g = dx_d * (1 - self.z1_g ** 2)",
         "tanh' from the pre-activation"),
        ("dz0_d = da0_d * dlrelu(self.z0_d)", "dz0_d = da0_d * dlrelu(self.z0_g)",
         "the mask of the other network"),
        ("da1_d = -1.0 / a1_d / len(z)", "da1_d = -1.0 / (1 - a1_d) / len(z)",
         "log D and log(1 - D) are mixed up"),
        ("dlrelu(self.z0_g, alpha=0.0)", "dlrelu(self.z0_g)", "the other network's slope"),
    ],
}
