"""Synthetic faces: draw them, look into one, change it, see how their generator learned."""

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import expression, named
from emotion.faces import Scores
from emotion.formatting import percent
from emotion.generation import images
from emotion.generation.sampler import Faces, Sampler, seeds_from
from emotion.results import serialization
from emotion.ui import components, messages, page
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic import generator

ALL = "all seven"
COUNTS = (8, 16, 32, 64)
FIRST, SECOND, MATE = 153, 158, 160  # seeds whose faces turn out well, for those who have not chosen one
SHOWN, STEPS = 2, 6  # faces from one expression to the next, in the row and in the GIF

state = st.session_state


def choose_generator() -> Sampler:
    """The generator, of several the one that was chosen; without one the page ends here."""
    found, refused = synthetic_faces.generators()
    for sentence in refused:
        st.caption(messages.plain(sentence))
    if not found:
        st.info(
            "There is no generator in models/ yet. `python -m emotion train-gan --data fer2013.npz --out runs/faces` "
            "trains one; it appears here when it is done.",
            icon=":material/face_retouching_natural:",
        )
        st.stop()
    names = [bundle.name for bundle in found]
    name = st.selectbox("Generator", names, key="gen_model", width=260) if len(names) > 1 else names[0]
    return synthetic_faces.sampler(found[names.index(name)])


def pick(seed: int, name: str) -> None:
    """Choose a face of the sheet."""
    state.update(gen_pick=(seed, name))


def show_sheet(maker: Sampler, seeds: tuple[int, ...], names: tuple[str, ...], truncation: float) -> None:
    """Small faces, a row of people for each expression."""
    chosen = state.get("gen_pick")
    for name in names:
        if len(names) > 1:
            st.markdown(f"**{named(name)}**")
        faces = synthetic_faces.drawn(maker, seeds, name, truncation)
        number = seeds.index(chosen[0]) + 1 if chosen and chosen[1] == name and chosen[0] in seeds else 0
        components.strip(
            synthetic_faces.items(faces, seeds, name), key=f"gen_sheet_{name}", label=f"{name} faces", height=620,
            chosen=number, side=76, choose=lambda n, name=name: pick(seeds[n - 1], name),
        )  # fmt: skip


def save_sheet(maker: Sampler, seeds: tuple[int, ...], names: tuple[str, ...], truncation: float) -> None:
    """The sheet as files; they are made when they are asked for."""

    def files() -> dict[str, bytes]:
        return images.files_of(maker, seeds, names, truncation)

    with st.container(horizontal=True):
        synthetic_faces.save("sheet", "Sheet", lambda: files()["sheet.png"], "sheet.png")
        synthetic_faces.save("zip", "All faces", lambda: serialization.zip_files(files()), "faces.zip")


def show_face(maker: Sampler, seed: int, name: str, truncation: float) -> None:
    """One face: what was asked, and what is seen in it."""
    (face,) = synthetic_faces.drawn(maker, (seed,), name, truncation)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        st.image(synthetic_faces.large(face), f"Seed {seed}", width=256, alt=f"Seed {seed}, asked for {name}")
        synthetic_faces.save("face", "This face", images.face_png(face), f"{name}-{seed}.png")
    with right:
        (scores,) = synthetic_faces.read(face[None])
        st.markdown(f"##### Asked for {named(name)}, seen as {named(scores.label)}", anchors=False)
        show_scores(scores)
    generator.show_nearest(maker.bundle, face, seed, name, truncation)


def show_scores(scores: Scores) -> None:
    """What the recogniser sees."""
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    said = ", ".join(f"{e} {percent(p)}" for e, p in scores.items())
    components.chart(charts.scores_bar(table), key="gen_scores", alt_text=said)


def show_morph(maker: Sampler, seed: int, truncation: float) -> None:
    """One person through all expressions."""
    strip, labels = synthetic_faces.morph(maker, seed, STEPS, truncation), maker.labels
    each = STEPS // SHOWN
    row = strip.faces[::each]
    synthetic_faces.show_row(row, f"Seed {seed} through all expressions")
    marks = [((i * SHOWN + 0.5) / len(row), expression(label).sign) for i, label in enumerate(labels)]
    places = [(i / each + 0.5) / len(row) for i in range(len(strip.faces))]
    seen = charts.seen_along(synthetic_faces.seen_table(strip.faces, places), marks)
    components.chart(seen, key="gen_seen", alt_text="What is seen along the row")
    asked = ", ".join(map(named, labels))
    st.caption(f"Above the faces, below what the recogniser sees in them. Asked for: {asked}.")
    synthetic_faces.save("morph", "GIF", lambda: images.gif(strip.faces), f"morph-{seed}.gif")


def show_walk(maker: Sampler, seed: int, name: str, truncation: float) -> None:
    """From one person to another."""
    other = synthetic_faces.ask_seed("To the seed", "gen_other", SECOND)
    strip = synthetic_faces.walk(maker, (seed, other), name, 25, truncation)
    synthetic_faces.show_row(strip.faces[::2], f"From seed {seed} to seed {other}")
    synthetic_faces.save("walk", "GIF", lambda: images.gif(strip.faces), f"walk-{seed}-{other}.gif")


def show_mix(maker: Sampler, seed: int, name: str, truncation: float) -> None:
    """A child of two faces."""
    other = synthetic_faces.ask_seed("With the seed", "gen_mate", MATE)
    share = st.slider("How much of the second", 0, 100, 50, 5, format="%d %%", key="gen_share") / 100
    (mixed,) = maker.mixed(seed, other, name, [share], truncation).faces
    ends: Faces = synthetic_faces.drawn(maker, (seed, other), name, truncation)
    with st.container(horizontal=True):
        for face, said in ((ends[0], f"Seed {seed}"), (mixed, "Mixed"), (ends[1], f"Seed {other}")):
            st.image(synthetic_faces.large(face), said, width=190, alt=said)
    synthetic_faces.save("mix", "The mixed face", images.face_png(mixed), f"mix-{seed}-{other}.png")


with page.page():
    st.title("Synthetic faces", anchor=False)
    st.write("People who do not exist, with the expression that you ask for. The same seed is always the same person.")
    maker = choose_generator()
    asked = st.pills(
        "Expression", [*maker.labels, ALL], default="happy" if "happy" in maker.labels else maker.labels[0],
        format_func=lambda name: named(name) if name != ALL else "all of them", key="gen_expression", required=True,
    )  # fmt: skip
    names = maker.labels if asked == ALL else (str(asked),)
    left, middle, right = st.columns([2, 2, 2], gap="medium")
    with left:
        seed = synthetic_faces.ask_seed("First seed", "gen_seed", FIRST)
    with middle:
        count = st.segmented_control("Faces", COUNTS, default=8, key="gen_count", required=True) or 8
    with right:
        truncation = st.slider(
            "Variety", 0.0, 1.0, maker.truncation, 0.05, key="gen_truncation",
            help="Less of it gives likelier faces that look more alike.",
        )  # fmt: skip
    seeds = seeds_from(seed, count if len(names) == 1 else 8)
    show_sheet(maker, seeds, names, truncation)
    st.caption(
        "Among the faces are odd ones. The page begins with seeds that turn out well with the shipped generator."
    )
    save_sheet(maker, seeds, names, truncation)
    picked, name = state.get("gen_pick") or (seeds[0], names[0])
    if picked not in seeds or name not in names:
        picked, name = seeds[0], str(names[0])
    st.subheader(f"Seed {picked}, {name}", anchor=False)
    show_face(maker, picked, name, truncation)
    way = st.segmented_control(
        "Change it", ["Through all expressions", "To another person", "Mix with another"], key="gen_way",
        default="Through all expressions", required=True,
    )  # fmt: skip
    if way == "To another person":
        show_walk(maker, picked, name, truncation)
    elif way == "Mix with another":
        show_mix(maker, picked, name, truncation)
    else:
        show_morph(maker, picked, truncation)
    st.subheader("How it learned", anchor=False)
    generator.show_story(maker.bundle)
    st.subheader("How good they are", anchor=False)
    generator.show_quality(maker.bundle)
    st.subheader("Do they help to learn?", anchor=False)
    generator.show_benefit(maker.bundle)
