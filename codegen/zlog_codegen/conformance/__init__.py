"""The conformance kit: the same questions to the codec of every language, and what each must answer.

A language takes part by two files in its folder of templates: a driver, which `language.toml` lists with
``only = "conformance"``, and ``conformance.toml``, which says how to build and run it (see `drivers`). The driver
answers lines on stdin with lines on stdout; what it is asked is in `questions`. What is right comes from `reference`, a
plain reading of the model that shares nothing with any template.

::

    protocol.py    a model, with what is needed often worked out
    dump.py        values as text, the same in all languages
    reference.py   frames to values and back
    samples.py     random values, and frames that are nearly right
    vectors.py     the cases that are written down, as data
    questions.py   what drivers are asked, and whether an answer is right
    drivers.py     generate, build and run the driver of a language
    shrink.py      a smaller question with a wrong answer
    kit.py         all of it together
    bench.py       nanoseconds per message in each language
"""

__all__: list[str] = []
