"""From the published page to generated code: everything that shapes `spec/` and `generated/`.

There are three commands. `regenerate` derives everything; it calls `build`, which goes through these steps:

    source, published, page                   what was published, where and when, and in which of three forms
    mintlify, mintlify_schema,
    schema_keywords, checked                  the intermediate form, converted to plain OpenAPI 3.1
    operations, spelling, plain, merge,
    contract, validation                      what is generated of it, in one layout, from one document or several
    overlay                                   names for generated code, companion operations
    generators                                the two code generators
    compare                                   what is committed against what was just made

`vendor` looks at what is published now, and says what that changes:

    fetch                                     from a file or an address
    diff, diff_schema, change                 two contracts, and which way each difference between them goes

`mutate` proves that the checks see what they are there for:

    facts, wrapper_facts                      what the wrapper knows about the API, against the contract
    mutations, rewrites                       changes of the spec, and what each check makes of them
"""
