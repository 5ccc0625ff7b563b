"""The regression of relations beside other libraries, plain loops and identities."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import CensoredData, norm

from eigencode.study.relations import Analysis, Effect, Table, analyse, fits


def example(n: int = 40, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two correlated predictors with a constant, and an outcome, in steps of 0.01."""
    rng = np.random.default_rng(seed)
    one = np.round(rng.normal(size=n), 2)
    two = np.round(0.9 * one + 0.4 * rng.normal(size=n), 2)
    y = np.round(1 + 0.5 * one - 0.3 * two + 0.5 * rng.normal(size=n), 2)
    return np.stack([np.ones(n), one, two], 1), y


def grouped(seed: int = 0, censored: float = 0.0) -> Table:
    """90 rows in 9 unequal groups; one predictor, one control."""
    rng = np.random.default_rng(seed)
    group = np.sort(np.concatenate([np.arange(9), rng.integers(0, 9, 81)]))
    x = rng.normal(size=9)[group] + rng.normal(size=90)
    control = 0.9 * x + 0.4 * rng.normal(size=90)
    y = 0.5 * x + 0.3 * control + rng.normal(size=9)[group] + rng.normal(size=90)
    most = np.quantile(y, 1 - censored) if censored else np.inf
    return Table(np.minimum(y, most), y > most, x[:, None], control[:, None], group, np.empty((90, 0)))


def effect(found: Analysis, kind: str) -> Effect:
    (one,) = (e for e in found.effects if e.kind == kind)
    return one


def test_lifelines_finds_the_same_maximum() -> None:
    """lifelines 0.30.3: LogNormalAFTFitter().fit({T: exp(y), E: y <= 1.3, x1, x2}, "T", "E"), pandas 2.3.3."""
    x, y = example()
    found = fits(x, np.minimum(y, 1.3), y > 1.3, np.ones((1, 40)))
    np.testing.assert_allclose(found.beta[0], [1.068450, 0.774931, -0.542464], atol=2e-5)
    np.testing.assert_allclose(np.log(found.sigma), [-0.578522], atol=2e-5)
    np.testing.assert_allclose(found.loglik, [-31.72995], atol=2e-5)


@pytest.mark.parametrize("most", [2.0, 1.0, 0.5])
def test_the_maximum_is_that_of_a_general_optimiser(most: float) -> None:
    x, y = example(seed=5)
    weights = np.random.default_rng(0).integers(0, 3, (4, 40)).astype(float)
    found = fits(x, np.minimum(y, most), y > most, weights)
    assert 0 < (y > most).mean() < 1
    for k, w in enumerate(weights):

        def loss(t: np.ndarray, w: np.ndarray = w) -> float:
            u = (np.minimum(y, most) - x @ t[:3]) / np.exp(t[3])
            return -float((w * np.where(y > most, norm.logsf(u), norm.logpdf(u) - t[3])).sum())

        best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
        np.testing.assert_allclose(found.beta[k], best.x[:3], atol=2e-4)
        np.testing.assert_allclose(found.loglik[k], -best.fun, atol=1e-7)


def test_without_predictors_it_is_a_censored_normal_distribution() -> None:
    y = example()[1]
    found = fits(np.ones((40, 1)), np.minimum(y, 1.2), y > 1.2, np.ones((1, 40)))
    mean, deviation = norm.fit(CensoredData(y[y <= 1.2], right=np.full((y > 1.2).sum(), 1.2)))
    np.testing.assert_allclose([found.beta[0, 0], found.sigma[0]], [mean, deviation], rtol=1e-3)


def test_without_censoring_it_is_least_squares() -> None:
    x, y = example()
    found, known = fits(x, y, np.zeros(40, bool), np.ones((1, 40))), sm.OLS(y, x).fit()
    np.testing.assert_allclose(found.beta[0], known.params, rtol=1e-6)
    np.testing.assert_allclose(found.loglik[0], known.llf, rtol=1e-9)


def test_units_do_not_matter() -> None:
    x, y = example()
    one = fits(x, np.minimum(y, 1.0), y > 1.0, np.ones((1, 40)))
    other = fits(x * [1, 1e4, 1e-3], 1e3 * np.minimum(y, 1.0) + 5e4, y > 1.0, np.ones((1, 40)))
    np.testing.assert_allclose(other.beta[0] * [1, 1e4, 1e-3], 1e3 * one.beta[0] + [5e4, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(other.sigma, 1e3 * one.sigma, rtol=1e-5)


def test_without_errors_the_coefficients_are_exact_and_a_row_per_column_is_no_fit() -> None:
    x, _ = example()
    y = x @ [1.0, 2.0, -1.0]
    found = fits(x, np.minimum(y, 2.0), y > 2.0, np.stack([np.ones(40), np.arange(40) < 3]).astype(float))
    np.testing.assert_allclose(found.beta[0], [1.0, 2.0, -1.0], atol=1e-4)
    assert found.sigma[0] < 1e-3
    assert np.isnan(found.beta[1]).all()


def test_dependent_columns_and_nothing_uncensored_have_no_fit() -> None:
    x, y = example()
    twice = np.concatenate([x, x[:, 1:2] - 2 * x[:, 2:]], 1)
    assert np.isnan(fits(twice, y, np.zeros(40, bool), np.ones((1, 40))).beta).all()
    weights = np.stack([np.ones(40), (y > 1).astype(float)])
    found = fits(x, np.minimum(y, 1), y > 1, weights)
    assert np.isfinite(found.beta[0]).all()
    assert np.isnan(found.beta[1]).all()


def loop(table: Table, columns: np.ndarray, j: int) -> tuple[float, float]:
    """Coefficient and jackknife error over groups, refitted one by one by statsmodels."""
    whole = sm.OLS(table.y, columns).fit().params[j]
    kept = [table.group != g for g in range(table.groups)]
    others = np.array([sm.OLS(table.y[k], columns[k]).fit().params[j] for k in kept])
    return whole, float(np.sqrt((table.groups - 1) / table.groups * ((others - whole) ** 2).sum()))


def test_pooled_and_between_are_least_squares_with_a_plain_jackknife() -> None:
    table = grouped()
    found, one = analyse(table), np.ones((90, 1))
    both = np.concatenate([table.x, table.controls], 1)
    means = np.stack([both[table.group == g].mean(0) for g in table.group])
    for kind, columns in {
        "pooled": np.concatenate([table.x, one, table.controls], 1),
        "within": np.concatenate([both - means, one, means], 1),
        "between": np.concatenate([means[:, :1], one, means[:, 1:], both - means], 1),
    }.items():
        value, error = loop(table, columns, 0)
        unit, made = table.x.std(), effect(found, kind)
        np.testing.assert_allclose([made.estimate, made.error], [unit * value, unit * error], rtol=1e-6)
    difference = effect(found, "between").estimate - effect(found, "within").estimate
    assert effect(found, "between minus within").estimate == pytest.approx(difference)


def test_within_is_the_regression_with_an_intercept_for_every_group() -> None:
    table = grouped()
    columns = np.concatenate([table.x, table.controls, np.eye(9)[table.group]], 1)
    known = sm.OLS(table.y, columns).fit().params[0] * table.x.std()
    assert effect(analyse(table), "within").estimate == pytest.approx(known)


def test_shares_of_variance_are_those_of_least_squares() -> None:
    table = grouped()
    one = np.ones((90, 1))
    full = sm.OLS(table.y, np.concatenate([one, table.x, table.controls], 1)).fit()
    less = sm.OLS(table.y, np.concatenate([one, table.controls], 1)).fit()
    found = analyse(table)
    for kind in ("partial R2", "R2"):
        assert effect(found, kind).interval[0] == pytest.approx(1 - full.ssr / less.ssr)


def test_prediction_leaves_whole_groups_out() -> None:
    table = grouped()
    columns = np.concatenate([np.ones((90, 1)), table.x, table.controls], 1)
    errors = np.zeros(2)
    for g in range(table.groups):
        out = table.group == g
        guess = columns[out] @ sm.OLS(table.y[~out], columns[~out]).fit().params
        errors += [((table.y[out] - guess) ** 2).sum(), ((table.y[out] - table.y[~out].mean()) ** 2).sum()]
    assert effect(analyse(table), "prediction R2").interval[0] == pytest.approx(1 - errors[0] / errors[1])


def test_a_prediction_beyond_a_lower_bound_is_no_error() -> None:
    table = grouped(censored=0.4)
    found = analyse(table)
    off = table.y - found.predicted
    shortfall = np.where(table.censored, np.maximum(off, 0), off)
    assert (off[table.censored] < 0).any()
    none = np.array(
        [fits(np.ones((90, 1)), table.y, table.censored, table.weights).beta[1 + g, 0] for g in table.group]
    )
    baseline = np.where(table.censored, np.maximum(table.y - none, 0), table.y - none)
    known = 1 - (shortfall**2).sum() / (baseline**2).sum()
    assert effect(found, "prediction R2").interval[0] == pytest.approx(known)


def test_censoring_hardly_moves_an_effect_that_least_squares_loses() -> None:
    rng = np.random.default_rng(1)
    group, x = np.repeat(np.arange(20), 50), rng.normal(size=1000)
    y = x + 0.5 * rng.normal(size=1000)
    most = np.quantile(y, 0.6)
    table = Table(np.minimum(y, most), y > most, x[:, None], np.empty((1000, 0)), group, np.empty((1000, 0)))
    assert effect(analyse(table), "pooled").estimate == pytest.approx(x.std(), abs=0.05)
    assert sm.OLS(table.y, sm.add_constant(x)).fit().params[1] < 0.7


def test_equal_groups_count_fully_and_one_large_group_for_one() -> None:
    """A constant number of rows with the same spread of the predictor: the effective number is their number."""
    x = np.tile([-1.0, 1.0], 30)
    y = x + np.random.default_rng(0).normal(size=60)
    equal = Table(y, np.zeros(60, bool), x[:, None], np.empty((60, 0)), np.arange(60) // 6, np.empty((60, 0)))
    assert effect(analyse(equal), "within").df == pytest.approx(9)
    alone = np.where(np.arange(60) < 6, 100 * x, 0.01 * x)
    unequal = Table(y, np.zeros(60, bool), alone[:, None], np.empty((60, 0)), np.arange(60) // 6, np.empty((60, 0)))
    found = effect(analyse(unequal), "within")
    assert found.interval[1:] == (-np.inf, np.inf)
    assert found.minus(0.0).p == 1.0


def test_a_predictor_that_is_constant_in_groups_has_no_effect_within() -> None:
    table = grouped()
    by_group = np.random.default_rng(2).normal(size=9)[table.group]
    found = analyse(Table(table.y, table.censored, by_group[:, None], table.controls, table.group, table.fixed))
    assert np.isnan(effect(found, "within").estimate)
    assert np.isnan(effect(found, "between minus within").estimate)
    assert np.isfinite(effect(found, "between").interval).all()


def test_too_few_groups_for_the_means_of_all_columns() -> None:
    table = grouped()
    kept = table.group < 5
    found = analyse(
        Table(*(getattr(table, k)[kept] for k in ("y", "censored", "x", "controls", "group")), table.fixed[kept])
    )
    assert np.isnan(effect(found, "between").estimate)
    assert np.isfinite(effect(found, "pooled").estimate)


@pytest.mark.parametrize("scale", ["plain", "partial R2", "prediction R2"])
def test_scales_are_inverted(scale: str) -> None:
    one = Effect("x", None, 0.5, 0.1, 9.0, scale)  # type: ignore[arg-type]
    for value in (0.0, 0.02, 0.6):
        assert one.back(one.at(value)) == pytest.approx(value)
    value, low, high = one.interval
    assert low < value < high


def test_equivalence_is_two_one_sided_tests_of_the_correlation() -> None:
    """The interval of partial R² lies below 0.02 exactly if that of the correlation lies in ± √0.02."""
    for estimate, error in ((0.0, 0.05), (0.05, 0.03), (0.05, 0.05), (0.3, 0.05)):
        one = Effect("partial R2", 0, estimate, error, 20.0, "partial R2")
        plain = one.minus(0.0)
        inside = -np.arctanh(0.02**0.5) < plain.low and plain.high < np.arctanh(0.02**0.5)
        assert (one.interval[2] < 0.02) == inside
        assert ((-one.minus(0.02)).low > 0) == inside


def test_an_outcome_that_is_the_same_everywhere_has_no_effects() -> None:
    """Of no variance nothing is explained, neither much nor little."""
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 3)
    for constant in (0.0, 0.97, 0.1, 1 / 3):
        found = fits(
            np.stack([np.ones(18), draw.normal(size=18)], 1),
            np.full(18, constant),
            np.zeros(18, bool),
            np.ones((2, 18)),
        )
        assert np.isnan(found.beta).all()
    y = np.where(group == 0, draw.normal(size=18), 0.5)
    without = (group[None] != np.arange(6)[:, None]).astype(float)
    found = fits(np.stack([np.ones(18), draw.normal(size=18)], 1), y, np.zeros(18, bool), without)
    assert np.isnan(found.beta[0]).all()
    assert np.isfinite(found.beta[1:]).all()


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-9, 1e-6])
def test_a_perfect_fit_is_found(off: float) -> None:
    draw = np.random.default_rng(0)
    x = np.stack([np.ones(18), draw.normal(size=18)], 1)
    y = x @ [1.0, 2.0] + off * draw.normal(size=18)
    found = fits(x, y, np.zeros(18, bool), np.ones((1, 18)))
    np.testing.assert_allclose(found.beta[0], [1.0, 2.0], atol=1e-5)
    assert found.sigma[0] < 1e-5


def separated(of: str) -> Table:
    """Six groups of five; the outcome is a lower bound in all rows of some kind."""
    draws, group = np.random.default_rng(5), np.repeat(np.arange(6), 5)
    one, other = draws.normal(size=(2, 30, 1))
    y = one[:, 0] + draws.normal(size=30) / 3
    kinds = {"predictor": group < 2, "control": np.arange(30) % 5 == 4, "group": group == 0}
    up = kinds[of]
    x = up[:, None].astype(float) if of == "predictor" else one
    fixed = up[:, None].astype(float) if of == "control" else np.zeros((30, 0))
    return Table(np.where(up, 3.0, y), up, x, other, group, fixed)


def test_a_predictor_that_is_high_in_censored_rows_alone_has_no_effect() -> None:
    """The likelihood rises for ever: no number of it is the one where an optimiser stops."""
    table = separated("predictor")
    columns = np.concatenate([np.ones((30, 1)), table.x], 1)
    found = fits(columns, table.y, table.censored, np.ones((1, 30)))
    assert found.beta[0, 1] == math.inf
    assert math.isfinite(found.beta[0, 0])
    likelihoods = [
        sum(np.log(norm.sf((3.0 - found.beta[0, 0] - b) / found.sigma[0])) for _ in range(10)) for b in (3, 6, 12)
    ]
    assert likelihoods[0] < likelihoods[1] <= likelihoods[2]
    assert fits(columns * [1, -2], table.y, table.censored, np.ones((1, 30))).beta[0, 1] == -math.inf
    effects = analyse(table).effects
    for e in effects:
        if e.kind in ("pooled", "between"):
            assert math.isnan(e.estimate), e.kind
            assert math.isnan(e.minus(0.0).p) or e.minus(0.0).p == 1


@pytest.mark.parametrize("of", ["control", "group"])
def test_other_effects_stay_where_a_control_has_none(of: str) -> None:
    table = separated(of)
    found = effect(analyse(table), "pooled")
    kept = ~table.censored
    _, group = np.unique(table.group[kept], return_inverse=True)
    alone = Table(
        table.y[kept], table.censored[kept], table.x[kept], table.controls[kept], group, table.fixed[kept, :0]
    )
    if of == "control":  # its rows say nothing about the others
        assert found.estimate == pytest.approx(
            effect(analyse(alone), "pooled").estimate * table.x.std() / alone.x.std()
        )
    assert found.interval[1] < found.interval[0] < found.interval[2]


def test_groups_that_lean_on_a_coefficient_without_end_are_not_predicted() -> None:
    table = separated("control")
    predicted = analyse(table).predicted
    assert np.isnan(predicted[table.censored]).all()
    assert np.isfinite(predicted[~table.censored]).all()
