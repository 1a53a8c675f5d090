"""Conv 3x3, tanh, 2x2 average pooling, conv 2x2 to class maps, global average, softmax. Everything by loops."""

import numpy as np

gen = np.random.default_rng(310)
nImg, size, nF, nC = 3, 8, 2, 3
images = gen.normal(size=(nImg, size, size))
classes = np.array([2, 0, 1])
s1 = size - 2       # 6, after the first convolution
s2 = s1 // 2        # 3, after pooling
s3 = s2 - 1         # 2, class maps


def point(rng):
    return {"f1": 0.5 * rng.normal(size=(nF, 3, 3)), "c1": 0.3 * rng.normal(size=nF),
            "f2": rng.normal(size=(nC, nF, 2, 2)), "c2": 0.3 * rng.normal(size=nC)}


def forward(img, f1, c1, f2, c2):
    act = np.zeros((nF, s1, s1))
    for k in range(nF):
        for i in range(s1):
            for j in range(s1):
                act[k, i, j] = np.tanh(np.sum(img[i:i + 3, j:j + 3] * f1[k]) + c1[k])
    pool = np.zeros((nF, s2, s2))
    for k in range(nF):
        for i in range(s2):
            for j in range(s2):
                pool[k, i, j] = np.mean(act[k, 2 * i:2 * i + 2, 2 * j:2 * j + 2])
    maps = np.zeros((nC, s3, s3))
    for c in range(nC):
        for i in range(s3):
            for j in range(s3):
                maps[c, i, j] = np.sum(pool[:, i:i + 2, j:j + 2] * f2[c]) + c2[c]
    logits = maps.mean(axis=(1, 2))
    prob = np.exp(logits - logits.max())
    return act, pool, prob / prob.sum()


def loss(f1, c1, f2, c2):
    total = 0.0
    for img, cls in zip(images, classes):
        act, pool, prob = forward(img, f1, c1, f2, c2)
        total += -np.log(prob[cls])
    return total / nImg


def derived(f1, c1, f2, c2):
    df1 = np.zeros_like(f1)
    dc1 = np.zeros_like(c1)
    df2 = np.zeros_like(f2)
    dc2 = np.zeros_like(c2)
    for img, cls in zip(images, classes):
        act, pool, prob = forward(img, f1, c1, f2, c2)

        dlogits = prob.copy()
        dlogits[cls] -= 1
        dlogits /= nImg

        dpool = np.zeros_like(pool)
        for c in range(nC):
            dmap = dlogits[c] / s3 ** 2
            for i in range(s3):
                for j in range(s3):
                    df2[c] += dmap * pool[:, i:i + 2, j:j + 2]
                    dc2[c] += dmap
                    dpool[:, i:i + 2, j:j + 2] += dmap * f2[c]

        dact = np.zeros_like(act)
        for k in range(nF):
            for i in range(s2):
                for j in range(s2):
                    dact[k, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dpool[k, i, j] / 4

        dpre = dact * (1 - act ** 2)
        for k in range(nF):
            for i in range(s1):
                for j in range(s1):
                    df1[k] += dpre[k, i, j] * img[i:i + 3, j:j + 3]
                    dc1[k] += dpre[k, i, j]
    return {"f1": df1, "c1": dc1, "f2": df2, "c2": dc2}


MISTAKES = [
    ("dact[k, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dpool[k, i, j] / 4", "dact[k, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dpool[k, i, j]", "the average's quarter is left out"),
    ("dact[k, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dpool[k, i, j] / 4", "dact[k, i:i + 2, j:j + 2] += dpool[k, i, j] / 4", "stride one in the backward pass of the pooling"),
    ("dpool[:, i:i + 2, j:j + 2] += dmap * f2[c]", "dpool[:, i:i + 2, j:j + 2] = dmap * f2[c]", "overlapping windows overwrite each other"),
    ("dmap = dlogits[c] / s3 ** 2", "dmap = dlogits[c] / s2 ** 2", "the size of another layer's map in the global average"),
    ("df1[k] += dpre[k, i, j] * img[i:i + 3, j:j + 3]", "df1[k] += dact[k, i, j] * img[i:i + 3, j:j + 3]", "the gradient after the activation, and the line below has it right"),
    ("dpool[:, i:i + 2, j:j + 2] += dmap * f2[c]", "dpool[:, i:i + 2, j:j + 2] += dmap * f2[c, :, ::-1, ::-1]", "the kernel is flipped though the window is scattered back in place"),
]
