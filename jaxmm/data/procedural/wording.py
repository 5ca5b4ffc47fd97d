"""English for clauses and sequences of them: one canonical sentence each, and paraphrases of it."""

from jaxmm.data.procedural.grammar import Clause

# Three wordings of each action, the canonical one first; the verb comes first, since adverbs and gerunds need it there.
# `{way}` is left or right, where the action goes; `{hand}`, `{fist}`, `{arm}`, `{leg}` and `{foot}` name what acts.
# An action without an entry for its direction uses the entry for None.
_WORDINGS: dict[tuple[str, str | None], tuple[str, str, str]] = {
    ("walk", "forward"): ("walks forward", "walks straight ahead", "heads forward on foot"),
    ("walk", "backward"): ("walks backward", "walks in reverse", "backs away on foot"),
    ("walk", None): ("walks in a curve to the {way}", "walks along a bend to the {way}", "walks around to the {way}"),
    ("run", "forward"): ("runs forward", "runs straight ahead", "jogs forward"),
    ("run", None): ("runs in a curve to the {way}", "runs along a bend to the {way}", "jogs around to the {way}"),
    ("sidestep", None): ("sidesteps to the {way}", "steps sideways to the {way}", "shuffles over to the {way}"),
    ("march", "in place"): ("marches in place", "marches on the spot", "lifts the knees high in place"),
    ("march", "forward"): ("marches forward", "marches straight ahead", "steps forward with high knees"),
    ("quarter turn", None): ("makes a quarter turn to the {way}", "turns ninety degrees {way}", "turns to face {way}"),
    ("half turn", None): (
        "makes a half turn to the {way}",
        "turns halfway around to the {way}",
        "does an about-turn to the {way}",
    ),
    ("spin", None): (
        "spins all the way around to the {way}",
        "makes a full turn to the {way}",
        "whirls in a full circle to the {way}",
    ),
    ("dance", None): (
        "dances from side to side starting to the {way}",
        "does a side-step dance starting to the {way}",
        "sways from foot to foot beginning on the {way}",
    ),
    ("jump", "up"): ("jumps in place", "jumps straight up", "leaps up on the spot"),
    ("jump", "forward"): ("jumps forward", "leaps forward", "springs ahead with both feet"),
    ("jump", "backward"): ("jumps backward", "leaps backward", "springs back with both feet"),
    ("hop", None): ("hops on {leg}", "hops on {foot}", "bounces on {leg} alone"),
    ("jumping jack", None): ("does a jumping jack", "performs a jumping jack", "does a star jump"),
    ("squat", None): ("squats down", "bends the knees into a squat", "drops into a deep squat"),
    ("bow", None): ("bows", "takes a bow", "bends forward at the waist"),
    ("lunge", "forward"): (
        "lunges forward with {leg}",
        "steps into a forward lunge with {leg}",
        "takes a deep step ahead with {foot}",
    ),
    ("lunge", "sideways"): (
        "lunges sideways with {leg}",
        "steps into a side lunge with {leg}",
        "takes a deep step to the side with {foot}",
    ),
    ("kick", "forward"): (
        "kicks forward with {leg}",
        "kicks to the front with {foot}",
        "swings {leg} up in a front kick",
    ),
    ("kick", "sideways"): (
        "kicks sideways with {leg}",
        "kicks out to the side with {foot}",
        "swings {leg} up in a side kick",
    ),
    ("punch", "forward"): (
        "punches forward with {hand}",
        "punches straight ahead with {fist}",
        "jabs to the front with {arm}",
    ),
    ("punch", "upward"): (
        "punches upward with {hand}",
        "punches into the air with {fist}",
        "jabs toward the sky with {arm}",
    ),
    ("throw", "overhand"): (
        "throws overhand with {hand}",
        "throws a ball overarm with {hand}",
        "hurls something from above the shoulder with {arm}",
    ),
    ("throw", "underhand"): (
        "throws underhand with {hand}",
        "tosses a ball underarm with {hand}",
        "tosses something from below with {arm}",
    ),
    ("wave", None): ("waves {hand}", "gives a wave with {hand}", "waves hello with {arm}"),
    ("raise", "forward"): ("raises {arm} to the front", "lifts {arm} in front of the body", "brings {arm} up forward"),
    ("raise", "sideways"): ("raises {arm} to the side", "lifts {arm} out sideways", "brings {arm} up beside the body"),
    ("raise", "overhead"): ("raises {arm} overhead", "lifts {arm} above the head", "brings {hand} up high in the air"),
    ("clap", "in front"): (
        "claps in front of the chest",
        "claps the hands in front",
        "brings the palms together in front",
    ),
    ("clap", "overhead"): ("claps overhead", "claps the hands above the head", "brings the palms together overhead"),
    ("pick up", None): (
        "picks something up with {hand}",
        "picks an object up off the floor with {hand}",
        "reaches down to the ground with {arm}",
    ),
}

# Of the verbs that can follow `before`: those of the third wordings.
_GERUNDS = {
    "heads": "heading",
    "backs": "backing",
    "shuffles": "shuffling",
    "turns": "turning",
    "does": "doing",
    "leaps": "leaping",
    "springs": "springing",
    "drops": "dropping",
    "bends": "bending",
    "takes": "taking",
    "swings": "swinging",
    "jabs": "jabbing",
    "hurls": "hurling",
    "waves": "waving",
    "brings": "bringing",
    "reaches": "reaching",
}

# How often or how fast, one ending for each wording.
_ENDINGS: dict[tuple[str, int], tuple[str, str, str]] = {
    ("plain", 1): ("", "", ""),
    ("plain", 2): ("twice", "two times", "twice in a row"),
    ("plain", 3): ("three times", "three times", "three times in a row"),
    ("slow", 1): ("slowly", "slowly", "at a slow pace"),
    ("quick", 1): ("quickly", "quickly", "at a fast pace"),
}


def single_sentences(clause: Clause) -> tuple[str, ...]:
    """Returns six distinct sentences for one clause, the canonical one first.

    Example:
        >>> single_sentences(Clause(action="wave", side="right", speed="slow"))[:2]
        ('a person waves the right hand slowly', 'someone slowly gives a wave with the right hand')
    """
    first, second, third = (_phrase(clause, wording) for wording in range(3))
    return (
        f"a person {first}",
        f"someone {second}",
        f"the figure {third}",
        f"the figure {first}",
        f"a person {second}",
        f"someone {third}",
    )


def sequence_sentences(first: Clause, second: Clause) -> tuple[str, ...]:
    """Returns six distinct sentences for two clauses in order, the canonical one first.

    Example:
        >>> sequence_sentences(Clause(action="bow"), Clause(action="squat"))[:3:2]
        ('a person bows, then squats down', 'the figure bends forward at the waist before dropping into a deep squat')
    """
    before = [_phrase(first, wording) for wording in range(3)]
    after = [_phrase(second, wording) for wording in range(3)]
    verb, _, rest = after[2].partition(" ")
    return (
        f"a person {before[0]}, then {after[0]}",
        f"someone {before[1]} and then {after[1]}",
        f"the figure {before[2]} before {_GERUNDS[verb]} {rest}",
        f"the figure first {before[0]}, then {after[1]}",
        f"a person {before[1]} and after that {after[2]}",
        f"someone {before[2]}, then {after[0]}",
    )


def _phrase(clause: Clause, wording: int) -> str:
    entry = (clause.action, clause.direction)
    template = _WORDINGS[entry if entry in _WORDINGS else (clause.action, None)][wording]
    way = clause.side if clause.direction is None else clause.direction
    limbs = {limb: _limb(clause.side, limb) for limb in ("hand", "fist", "arm", "leg", "foot")}
    phrase = template.format(way=way, **limbs)
    ending = _ENDINGS[clause.speed, clause.count][wording]
    # The second wording puts an adverb of speed before its verb, so that word order varies too.
    in_front = wording == 1 and clause.speed != "plain"
    return f"{ending} {phrase}" if in_front else f"{phrase} {ending}".strip()


def _limb(side: str | None, limb: str) -> str:
    return f"both {limb}s" if side == "both" else f"the {side} {limb}"
