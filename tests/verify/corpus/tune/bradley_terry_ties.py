"""Bradley-Terry with home advantage and ties (Davidson); a dictionary of gradients, one match after another."""

import numpy as np

# home, away, result: 1 home wins, 0 tie, -1 away wins
matches = [(0, 1, 1), (1, 2, 0), (2, 0, -1), (3, 4, 0), (4, 0, 1), (1, 3, -1), (2, 4, 1), (0, 3, 0)]


def point(rng):
    return {"skill": rng.normal(size=5), "home": rng.normal(size=1), "tie": 0.5 * rng.normal(size=1)}


def loss(skill, home, tie):
    total = 0.0
    for i, j, r in matches:
        si = skill[i] + home[0]
        sj = skill[j]
        st = tie[0] + (si + sj) / 2
        taken = si if r == 1 else (sj if r == -1 else st)
        total = total + np.log(np.exp(si) + np.exp(sj) + np.exp(st)) - taken
    return total / len(matches) + 0.05 * np.sum((skill - np.mean(skill)) ** 2)


def derived(skill, home, tie):
    g = {"skill": np.zeros(5), "home": np.zeros(1), "tie": np.zeros(1)}
    for i, j, r in matches:
        eh = np.exp(skill[i] + home[0])
        ea = np.exp(skill[j])
        et = np.exp(tie[0]) * np.sqrt(eh * ea)
        tot = eh + ea + et
        win, draw, lose = eh / tot, et / tot, ea / tot
        # derivative of -log p for each of the three scores
        dwin = win - (r == 1)
        ddraw = draw - (r == 0)
        dlose = lose - (r == -1)
        g["skill"][i] += dwin + ddraw / 2
        g["skill"][j] += dlose + ddraw / 2
        g["home"] += dwin + ddraw / 2
        g["tie"] += ddraw
    for k in g:
        g[k] /= len(matches)
    g["skill"] += 0.1 * (skill - skill.mean())
    return g


MISTAKES = [
    ('g["skill"][j] += dlose + ddraw / 2', 'g["skill"][j] += dlose', "a tie's share for the away side is missing"),
    ('g["home"] += dwin + ddraw / 2', 'g["home"] += dwin + ddraw', "the half of the geometric mean is lost"),
    ('g["skill"][i] += dwin + ddraw / 2', 'g["skill"][i] = dwin + ddraw / 2', "overwritten at every match in place of added"),
    ('g["skill"] += 0.1 * (skill - skill.mean())', 'g["skill"] += 0.05 * (skill - skill.mean())', "the square's 2 is lost in the shrinkage"),
    ("dlose = lose - (r == -1)", "dlose = lose - (r == 1)", "the wrong result is compared"),
    ("et = np.exp(tie[0]) * np.sqrt(eh * ea)", "et = np.exp(tie[0]) * (eh * ea)", "the square root of the tie's term is missing"),
]
