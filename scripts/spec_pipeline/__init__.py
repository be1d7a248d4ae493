"""From the published page to generated code: everything that shapes `spec/` and `generated/`.

The command is `regenerate`; it calls `build`, which goes through the steps in this order:

    source, page                              what was published, where and when, and in which of three forms
    mintlify, mintlify_schema,
    schema_keywords, checked                  the intermediate form, converted to plain OpenAPI 3.1
    overlay                                   names for generated code, companion operations
    generators                                the two code generators
    compare                                   what is committed against what was just made
"""
