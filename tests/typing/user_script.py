"""What a user writes, for type checkers only: they must complete, and complain where a line says so."""

import cnnviz_jax as cv

model = cv.load_model("shapes")
images, names = cv.example_images("shapes", 2)

heat = cv.explain(cv.techniques.Occlusion(window=16, stride=(8, 8)), model, images)
reveal_type(heat)  # expect: Attribution
reveal_type(heat.warnings)  # expect: tuple[str, ...]
reveal_type(heat.provenance.seed)  # expect: str
made = cv.synthesize(cv.techniques.ActivationMaximization(steps=8), model, layer="conv2", channels=[0])
reveal_type(made)  # expect: Synthesis
reveal_type(cv.measure(cv.techniques.Deletion(), model, images, heat))  # expect: Measurement
reveal_type(cv.inspect(cv.techniques.Filters(layer="conv1"), model))  # expect: FilterBank
reveal_type(cv.inspect(cv.techniques.ReceptiveField(), model).input_shape)  # expect: tuple[int, ...]
reveal_type(cv.survey(cv.techniques.Exemplars(k=4), model, images))  # expect: Exemplars
reveal_type(cv.compare(model, images, ["saliency"]))  # expect: Comparison
reveal_type(cv.diff(model, model, images))  # expect: Difference
reveal_type(cv.diff([model, model], None, images))  # expect: Drift
reveal_type(cv.name_units(model, images, labels=[0, 1]))  # expect: UnitNames
reveal_type(cv.report(model, images))  # expect: Report
reveal_type(cv.explain("occlusion", model, images, window=16))  # expect: Attribution
reveal_type(cv.technique_names("explain"))  # expect: tuple[str, ...]
reveal_type(cv.load("kept.npz"))  # expect: Result
reveal_type(cv.render([heat, heat], "both.png"))  # expect: Path

cv.render(heat, "one.png", colormap="viridis", scale="shared", dpi=80)
cv.figure(heat, opacity=0.5)

cv.render(heat, "one.png", colourmap="viridis")  # error: colourmap
cv.show(heat, scale="common")  # error: scale
cv.techniques.Occlusion(windwo=16)  # error: windwo
cv.techniques.Occlusion(window="16")  # error: window
cv.techniques.Occlusion(edge="cut")  # error: edge
cv.techniques.Oclusion()  # error: Oclusion
cv.explain(cv.techniques.Filters(), model, images)  # error: Filters
cv.inspect(cv.techniques.Filters(), model, layre="conv1")  # error: inspect
cv.technique_names("explains")  # error: explains
heat.valeus  # error: valeus
