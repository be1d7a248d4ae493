"""The one reader of OpenAPI documents: of the spec pipeline, the live check and the tests.

`yaml` reads and writes text; `pointers` and `values` find their way in what was read; `document` has the operations;
`spelling` and `layout` write what means the same in the same way; `validation` says what is no OpenAPI,
and `documented` what a document says about an answer.
"""
