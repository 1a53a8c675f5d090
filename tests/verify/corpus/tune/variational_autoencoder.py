"""A variational autoencoder with fixed noise: Bernoulli reconstruction and a weighted KL divergence; long Python names."""

import numpy as np

generator = np.random.default_rng(2323)
number_of_samples, visible, latent = 6, 4, 2
binary_inputs = (generator.uniform(size=(number_of_samples, visible)) > 0.5) * 1.0
noise = generator.normal(size=(number_of_samples, latent))
kl_weight = 0.7


def point(rng):
    return {"mean_weights": rng.normal(size=(visible, latent)), "logvar_weights": 0.5 * rng.normal(size=(visible, latent)),
            "logvar_bias": 0.3 * rng.normal(size=latent), "decoder_weights": rng.normal(size=(latent, visible)), "decoder_bias": rng.normal(size=visible)}


def loss(mean_weights, logvar_weights, logvar_bias, decoder_weights, decoder_bias):
    mean = binary_inputs @ mean_weights
    logvar = binary_inputs @ logvar_weights + logvar_bias
    code = mean + np.exp(logvar / 2) * noise
    logits = code @ decoder_weights + decoder_bias
    reconstruction = np.sum(np.log(1 + np.exp(logits)) - binary_inputs * logits)
    kl = 0.5 * np.sum(np.exp(logvar) + mean ** 2 - 1 - logvar)
    return (reconstruction + kl_weight * kl) / number_of_samples


def derived(mean_weights, logvar_weights, logvar_bias, decoder_weights, decoder_bias):
    mean = binary_inputs @ mean_weights
    logvar = binary_inputs @ logvar_weights + logvar_bias
    deviation = np.exp(0.5 * logvar)
    code = mean + deviation * noise
    probabilities = 1 / (1 + np.exp(-(code @ decoder_weights + decoder_bias)))

    logits_gradient = (probabilities - binary_inputs) / number_of_samples
    decoder_weights_gradient = code.T @ logits_gradient
    decoder_bias_gradient = logits_gradient.sum(axis=0)
    code_gradient = logits_gradient @ decoder_weights.T

    kl_scale = kl_weight / number_of_samples
    mean_gradient = code_gradient + kl_scale * mean
    logvar_gradient = code_gradient * noise * deviation / 2
    logvar_gradient += kl_scale * 0.5 * (deviation ** 2 - 1)

    return {
        "mean_weights": binary_inputs.T @ mean_gradient,
        "logvar_weights": binary_inputs.T @ logvar_gradient,
        "logvar_bias": logvar_gradient.sum(axis=0),
        "decoder_weights": decoder_weights_gradient,
        "decoder_bias": decoder_bias_gradient,
    }


MISTAKES = [
    ("logvar_gradient = code_gradient * noise * deviation / 2", "logvar_gradient = code_gradient * noise * deviation", "the half of exp(logvar / 2) is lost"),
    ("logvar_gradient = code_gradient * noise * deviation / 2", "logvar_gradient = code_gradient * deviation / 2", "the noise is left out of the reparametrised path"),
    ("logvar_gradient += kl_scale * 0.5 * (deviation ** 2 - 1)", "logvar_gradient += kl_scale * 0.5 * (deviation - 1)", "the variance is the deviation squared"),
    ("mean_gradient = code_gradient + kl_scale * mean", "mean_gradient = code_gradient", "the divergence's pull on the mean is missing"),
    ("kl_scale = kl_weight / number_of_samples", "kl_scale = 1 / number_of_samples", "the weight of the divergence is lost"),
    ("decoder_weights_gradient = code.T @ logits_gradient", "decoder_weights_gradient = mean.T @ logits_gradient", "the mean for the sampled code"),
]
