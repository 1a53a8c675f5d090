"""A network in a few lines: one script, global weights, the update written with plus."""

import numpy as np

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0, 1, 1, 0]]).T
np.random.seed(48)
syn0 = 2 * np.random.random((3, 4)) - 1
syn1 = 2 * np.random.random((4, 1)) - 1


def train_once(syn0, syn1):
    l1 = 1 / (1 + np.exp(-(np.dot(X, syn0))))
    l2 = 1 / (1 + np.exp(-(np.dot(l1, syn1))))
    l2_delta = (y - l2) * (l2 * (1 - l2))
    l1_delta = l2_delta.dot(syn1.T) * (l1 * (1 - l1))
    syn1 += l1.T.dot(l2_delta)
    syn0 += X.T.dot(l1_delta)
    return 0.5 * np.sum((y - l2) ** 2)


if __name__ == "__main__":
    for j in range(6000):
        train_once(syn0, syn1)


def plain():
    def value():
        return train_once(syn0.copy(), syn1.copy())
    new0, new1 = syn0.copy(), syn1.copy()
    train_once(new0, new1)
    return value, {"syn0": syn0, "syn1": syn1}, {"syn0": syn0 - new0, "syn1": syn1 - new1}


TABLE = {
    "style": "step",
    "glue": "tg.verify.check_step(train_once, {'syn0': syn0, 'syn1': syn1}, lr=1)",
    "verdict": "right",
    "stores": "syn1 += ... of a parameter, which is the step",
    "says": "the learning rate is 1; delta has the sign of descent, hence +=",
    "mistakes": [
        ("l1_delta = l2_delta.dot(syn1.T) * (l1 * (1 - l1))", "l1_delta = l2_delta.dot(syn1.T)",
         "the sigmoid's derivative is left out in the first layer"),
        ("l2_delta = (y - l2) * (l2 * (1 - l2))", "l2_delta = (y - l2)",
         "the gradient of the cross-entropy for a squared error"),
        ("syn0 += X.T.dot(l1_delta)", "syn0 -= X.T.dot(l1_delta)", "one layer climbs"),
    ],
}
