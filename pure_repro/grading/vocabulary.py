"""The words and signs that the checker knows. Data: extend it by adding an entry."""

FUNCTIONS = (
    "arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc", "sinh", "cosh", "tanh",
    "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "cis",
)  # fmt: skip

GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda",
    "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "hbar", "ell",
)  # fmt: skip

UNTIL_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {word: value for value, word in enumerate(UNTIL_TWENTY.split())}
NUMBER_WORDS |= {word: value for value, word in zip(range(20, 100, 10), TENS.split(), strict=True)}

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₖ", "0123456789+-()nk", strict=True))
FRACTION_SIGNS = (
    "½12 ⅓13 ⅔23 ¼14 ¾34 ⅕15 ⅖25 ⅗35 ⅘45 ⅙16 ⅚56 ⅐17 ⅛18 ⅜38 ⅝58 ⅞78 ⅑19 ⅒110"  # sign, numerator, denominator
)
FRACTIONS = {word[0]: rf"\frac{{{word[1]}}}{{{word[2:]}}}" for word in FRACTION_SIGNS.split()}

GREEK_LETTERS = """αalpha βbeta γgamma δdelta εepsilon ζzeta ηeta θtheta ιiota κkappa λlambda μmu µmu νnu ξxi πpi ρrho
σsigma τtau υupsilon φphi ϕphi χchi ψpsi ωomega ΓGamma ΔDelta ΘTheta ΛLambda ΞXi ΠPi ΣSigma ΦPhi ΨPsi ΩOmega"""

UNICODE = {  # a character: the same in LaTeX
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ", "∕": "/", "⁄": "/",
    "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "°": r"^{\circ}", "±": r"\pm ", "∓": r"\mp ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\neq ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ",
    "∅": r"\emptyset ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "∠": r"\angle ", "△": r"\triangle ", "…": r"\ldots ",
    "→": r"\to ", "⇒": r"\Rightarrow ", "∴": r"\therefore ", "‐": "-", "‑": "-", "‒": "-", "—": "-", "﹣": "-",
    "℃": r"^{\circ}\text{C}", "℉": r"^{\circ}\text{F}", "¥": r"\text{JPY}", "₹": r"\text{INR}", "¢": r"\text{cents}",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "、": ",", "■": "", "□": "", "∎": "", "✓": "",
    "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "⟨": r"\langle ", "⟩": r"\rangle ",
    "。": ".", "€": r"\text{EUR}", "£": r"\text{GBP}",
    **FRACTIONS,
    **{letter: rf"\mathbb{{{name}}}" for letter, name in zip("ℝℤℕℚℂ", "RZNQC", strict=True)},
    **{word[0]: rf"\{word[1:]} " for word in GREEK_LETTERS.split()},
}  # fmt: skip

SYNONYMS = {  # a command: the same under its one name
    r"\pounds": r"\text{GBP}", r"\sfrac": r"\frac", r"\nicefrac": r"\frac", r"\flatfrac": r"\frac",
    r"\bar": r"\overline",
    r"\widehat": r"\hat", r"\widetilde": r"\tilde", r"\dots": r"\ldots", r"\cdots": r"\ldots",
    r"\Longrightarrow": r"\Rightarrow",
    r"\lVert": r"\|", r"\rVert": r"\|", r"\Vert": r"\|", r"\equiv": "=", r"\measuredangle": r"\angle",
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\dbinom": r"\binom", r"\tbinom": r"\binom",
    r"\leq": r"\le", r"\leqslant": r"\le", r"\geq": r"\ge", r"\geqslant": r"\ge", r"\ne": r"\neq", r"\lt": "<",
    r"\gt": ">", r"\varnothing": r"\emptyset", r"\lbrace": r"\{", r"\rbrace": r"\}", r"\lvert": "|",
    r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\colon": ":", r"\wedge": r"\land", r"\vee": r"\lor",
    r"\ast": r"\cdot", r"\textdollar": r"\$", r"\thickapprox": r"\approx", r"\simeq": r"\approx",
    r"\sim": r"\approx", r"\backslash": r"\setminus", r"\lbrack": "[", r"\rbrack": "]", r"\varphi": r"\phi",
    r"\degrees": r"\degree", r"\textdegree": r"\degree", r"\varepsilon": r"\epsilon", r"\tg": r"\tan",
    r"\ctg": r"\cot", r"\lg": r"\log", r"\R": r"\mathbb{R}", r"\qty": "", r"\tableofcontents": "",
}  # fmt: skip

TEXT_COMMANDS = (
    "mathrm", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "mbox", "hbox", "operatorname",
    "emph", "underline",
)  # fmt: skip
STYLE_COMMANDS = (
    "mathbf", "mathit", "mathsf", "mathcal", "boldsymbol", "bm", "bf", "rm", "it", "vec", "overrightarrow", "pmb",
)  # fmt: skip
ENVIRONMENTS = ("cases", "aligned", "align", "align*", "gathered", "gather", "gather*", "split", "alignedat")
LAYOUT_COMMANDS = (
    "left", "right", "middle", "big", "bigl", "bigr", "bigg", "biggl", "biggr", "Big", "Bigl", "Bigr", "Bigg",
    "Biggl", "Biggr", "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "quad", "qquad", "hfill",
    "thinspace", "medspace", "enspace", "phantom", "boxed", "fbox", "framebox", "ensuremath", "tiny", "small",
    "normalsize", "large", "Large", "LARGE", "huge", "Huge",
)  # fmt: skip

UNITS = {  # canonical name: everything else it is called
    "mm": "millimeter millimeters millimetre millimetres",
    "cm": "centimeter centimeters centimetre centimetres cms",
    "m": "meter meters metre metres",
    "km": "kilometer kilometers kilometre kilometres kms",
    "nm": "nanometer nanometers",
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard yards",
    "mi": "mile miles",
    "s": "second seconds sec secs",
    "arcsec": "arcsecond arcseconds",
    "arcmin": "arcminute arcminutes",
    "um": "micrometer micrometers micrometre micrometres micron microns",
    "us": "microsecond microseconds",
    "ug": "microgram micrograms",
    "ohm": "ohms",
    "kohm": "kiloohm kiloohms kilohm kilohms",
    "Mohm": "megaohm megaohms megohm megohms",
    "cup": "cups",
    "pint": "pints",
    "quart": "quarts",
    "tbsp": "tablespoon tablespoons",
    "tsp": "teaspoon teaspoons",
    "dozen": "dozens",
    "decade": "decades",
    "century": "centuries",
    "min": "minute minutes mins",
    "h": "hour hours hr hrs",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "yr": "year years yrs",
    "g": "gram grams gm gms",
    "kg": "kilogram kilograms kgs",
    "mg": "milligram milligrams",
    "lb": "pound pounds lbs",
    "oz": "ounce ounces",
    "ton": "tons tonne tonnes",
    "L": "l liter liters litre litres",
    "mL": "ml milliliter milliliters millilitre millilitres",
    "gal": "gallon gallons",
    "$": "dollar dollars usd USD bucks",
    "cent": "cents",
    "EUR": "eur euro euros",
    "GBP": "gbp",
    "INR": "inr rupee rupees Rs rs",
    "JPY": "jpy yen",
    "rad": "radian radians",
    "Hz": "hz hertz",
    "J": "joule joules",
    "kJ": "kj",
    "N": "newton newtons",
    "W": "watt watts",
    "V": "volt volts",
    "K": "kelvin kelvins",
    "C": "celsius",
    "F": "fahrenheit",
    "Pa": "pascal pascals",
    "eV": "ev",
    "mol": "mole moles",
    "acre": "acres",
    "": "unit units",  # a word that says nothing
}
UNIT_NAMES = {name: unit for unit, names in UNITS.items() for name in (unit, *names.split()) if name}
POWER_BEFORE = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
POWER_AFTER = {"squared": 2, "cubed": 3}
LABELS = UNIT_NAMES.keys() | POWER_BEFORE.keys() | POWER_AFTER.keys() | {"per", "mph", "kmph"}

MONEY = ("USD", "EUR", "GBP", "INR", "JPY", "Rs")  # in front of an amount
SILENT = "a an the of in is are total altogether approximately approx about exactly only and away each"
UNTOLD = set(SILENT.split())  # words of a label that tell nothing
NOUNS = """men boy kid cat dog car egg pen bag box cup day way hen cow pig bus hat toy pie ant bee key can jar mug row
pts pt set"""
SHORT_NOUNS = set(NOUNS.split())  # that label a number, as longer words do
WORDS = """yes no odd all none any red sun mon tue wed thu fri sat jan feb mar apr jun jul aug sep oct nov dec
amy ann ben bob dan eve jim joe ken kim leo max mia pam pat ray rob ron roy sam sue ted tim tom zoe"""
SHORT_WORDS = set(WORDS.split())  # that are no product of variables, in any case
PHRASES = {  # words for what has a sign
    **dict.fromkeys(("no solution", "no solutions", "no real solution", "no real solutions", "none", "empty set",
                     "the empty set", "no real roots", "no real values"), r"\emptyset"),
    **dict.fromkeys(("all real numbers", "all reals", "all real values", "the real numbers", "every real number",
                     "any real number", "all real x"), r"\mathbb{R}"),
    **dict.fromkeys(("infinity", "infinite", "positive infinity", "infinitely many"), r"\infty"),
    **dict.fromkeys(("negative infinity", "minus infinity"), r"-\infty"),
}  # fmt: skip
