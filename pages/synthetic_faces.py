"""Synthetic faces: draw them, look into one, change it, see how their generator learned."""

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import get_style, symbol_and_name
from emotion.faces import Scores
from emotion.formatting import format_percent
from emotion.generation import images
from emotion.generation.sampler import FaceImages, Sampler, make_seeds
from emotion.results import serialization
from emotion.ui import components, messages, page
from emotion.ui.synthetic import faces as synthetic_faces
from emotion.ui.synthetic import generator

ALL = "all seven"
FACE_COUNTS = (8, 16, 32, 64)
DEFAULT_SEED, WALK_SEED, MIX_SEED = 153, 158, 160  # seeds whose faces turn out well, for those who have not chosen one
ROW_STEPS, GIF_STEPS = 2, 6  # faces from one expression to the next, in the row and in the GIF

state = st.session_state


def choose_generator() -> Sampler:
    """The generator, of several the one that was chosen; without one the page ends here."""
    found, refused = synthetic_faces.list_generators()
    for sentence in refused:
        st.caption(messages.escape_markdown(sentence))
    if not found:
        st.info(
            "There is no generator in models/ yet. `emotion generator train --data fer2013.npz --out runs/faces` "
            "trains one; it appears here when it is done.",
            icon=":material/face_retouching_natural:",
        )
        st.stop()
    names = [bundle.name for bundle in found]
    name = st.selectbox("Generator", names, key="gen_model", width=260) if len(names) > 1 else names[0]
    return synthetic_faces.load_sampler(found[names.index(name)])


def select_face(seed: int, label: str) -> None:
    """Choose a face of the sheet."""
    state.update(gen_pick=(seed, label))


def show_sheet(sampler: Sampler, seeds: tuple[int, ...], labels: tuple[str, ...], truncation: float) -> None:
    """Small faces, a row of people for each expression."""
    chosen = state.get("gen_pick")
    for name in labels:
        if len(labels) > 1:
            st.markdown(f"**{symbol_and_name(name)}**")
        faces = synthetic_faces.generate_faces(sampler, seeds, name, truncation)
        number = seeds.index(chosen[0]) + 1 if chosen and chosen[1] == name and chosen[0] in seeds else 0
        components.show_thumbnails(
            synthetic_faces.make_thumbnails(faces, seeds, name),
            key=f"gen_sheet_{name}",
            label=f"{name} faces",
            max_height_px=620,
            selected=number,
            side_px=76,
            on_select=lambda n, name=name: select_face(seeds[n - 1], name),
        )


def show_sheet_downloads(sampler: Sampler, seeds: tuple[int, ...], labels: tuple[str, ...], truncation: float) -> None:
    """The sheet as files; they are made when they are asked for."""

    def files() -> dict[str, bytes]:
        return images.build_files(sampler, seeds, labels, truncation)

    with st.container(horizontal=True):
        synthetic_faces.show_download("sheet", "Sheet", lambda: files()["sheet.png"], "sheet.png")
        synthetic_faces.show_download("zip", "All faces", lambda: serialization.zip_files(files()), "faces.zip")


def show_face(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """One face: what was asked, and what is seen in it."""
    (face,) = synthetic_faces.generate_faces(sampler, (seed,), label, truncation)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        st.image(synthetic_faces.enlarge_face(face), f"Seed {seed}", width=256, alt=f"Seed {seed}, asked for {label}")
        synthetic_faces.show_download("face", "This face", images.encode_face_png(face), f"{label}-{seed}.png")
    with right:
        (scores,) = synthetic_faces.classify_faces(face[None])
        st.markdown(f"##### Asked for {symbol_and_name(label)}, seen as {symbol_and_name(scores.label)}", anchors=False)
        show_scores(scores)
    generator.show_nearest(sampler.bundle, face, seed, label, truncation)


def show_scores(scores: Scores) -> None:
    """What the classifier sees."""
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    said = ", ".join(f"{e} {format_percent(p)}" for e, p in scores.items())
    components.show_chart(charts.plot_scores(table), key="gen_scores", alt_text=said)


def show_morph(sampler: Sampler, seed: int, truncation: float) -> None:
    """One person through all expressions."""
    strip, labels = synthetic_faces.morph(sampler, seed, GIF_STEPS, truncation), sampler.labels
    each = GIF_STEPS // ROW_STEPS
    row = strip.faces[::each]
    synthetic_faces.show_row(row, f"Seed {seed} through all expressions")
    marks = [((i * ROW_STEPS + 0.5) / len(row), get_style(label).symbol) for i, label in enumerate(labels)]
    places = [(i / each + 0.5) / len(row) for i in range(len(strip.faces))]
    seen = charts.plot_strip_predictions(synthetic_faces.make_scores_table(strip.faces, places), marks)
    components.show_chart(seen, key="gen_seen", alt_text="What is seen along the row")
    asked = ", ".join(map(symbol_and_name, labels))
    st.caption(f"Above the faces, below what the classifier sees in them. Asked for: {asked}.")
    synthetic_faces.show_download("morph", "GIF", lambda: images.encode_gif(strip.faces), f"morph-{seed}.gif")


def show_walk(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """From one person to another."""
    other = synthetic_faces.choose_seed("To the seed", "gen_walk_seed", WALK_SEED)
    strip = synthetic_faces.walk(sampler, (seed, other), label, 25, truncation)
    synthetic_faces.show_row(strip.faces[::2], f"From seed {seed} to seed {other}")
    synthetic_faces.show_download("walk", "GIF", lambda: images.encode_gif(strip.faces), f"walk-{seed}-{other}.gif")


def show_mix(sampler: Sampler, seed: int, label: str, truncation: float) -> None:
    """A child of two faces."""
    other = synthetic_faces.choose_seed("With the seed", "gen_mix_seed", MIX_SEED)
    share = st.slider("How much of the second", 0, 100, 50, 5, format="%d %%", key="gen_share") / 100
    (mixed,) = sampler.interpolate_many(seed, other, label, [share], truncation).faces
    ends: FaceImages = synthetic_faces.generate_faces(sampler, (seed, other), label, truncation)
    with st.container(horizontal=True):
        for face, said in ((ends[0], f"Seed {seed}"), (mixed, "Mixed"), (ends[1], f"Seed {other}")):
            st.image(synthetic_faces.enlarge_face(face), said, width=190, alt=said)
    synthetic_faces.show_download("mix", "The mixed face", images.encode_face_png(mixed), f"mix-{seed}-{other}.png")


with page.page_layout():
    st.title("Synthetic faces", anchor=False)
    st.write("People who do not exist, with the expression that you ask for. The same seed is always the same person.")
    sampler = choose_generator()
    selected_label = st.pills(
        "Expression",
        [*sampler.labels, ALL],
        default="happy" if "happy" in sampler.labels else sampler.labels[0],
        format_func=lambda name: symbol_and_name(name) if name != ALL else "all of them",
        key="gen_expression",
        required=True,
    )
    labels = sampler.labels if selected_label == ALL else (str(selected_label),)
    left, middle, right = st.columns([2, 2, 2], gap="medium")
    with left:
        seed = synthetic_faces.choose_seed("First seed", "gen_seed", DEFAULT_SEED)
    with middle:
        num_faces = st.segmented_control("Faces", FACE_COUNTS, default=8, key="gen_count", required=True) or 8
    with right:
        truncation = st.slider(
            "Variety",
            0.0,
            1.0,
            sampler.truncation,
            0.05,
            key="gen_truncation",
            help="Less of it gives likelier faces that look more alike.",
        )
    seeds = make_seeds(seed, num_faces if len(labels) == 1 else 8)
    show_sheet(sampler, seeds, labels, truncation)
    st.caption(
        "Among the faces are odd ones. The page begins with seeds that turn out well with the shipped generator."
    )
    show_sheet_downloads(sampler, seeds, labels, truncation)
    selected_seed, label = state.get("gen_pick") or (seeds[0], labels[0])
    if selected_seed not in seeds or label not in labels:
        selected_seed, label = seeds[0], str(labels[0])
    st.subheader(f"Seed {selected_seed}, {label}", anchor=False)
    show_face(sampler, selected_seed, label, truncation)
    mode = st.segmented_control(
        "Change it",
        ["Through all expressions", "To another person", "Mix with another"],
        key="gen_way",
        default="Through all expressions",
        required=True,
    )
    if mode == "To another person":
        show_walk(sampler, selected_seed, label, truncation)
    elif mode == "Mix with another":
        show_mix(sampler, selected_seed, label, truncation)
    else:
        show_morph(sampler, selected_seed, truncation)
    st.subheader("How it learned", anchor=False)
    generator.show_training_history(sampler.bundle)
    st.subheader("How good they are", anchor=False)
    generator.show_quality(sampler.bundle)
    st.subheader("Do they help to learn?", anchor=False)
    generator.show_augmentation_study(sampler.bundle)
