"""From the published page to generated code: everything that shapes `spec/` and `generated/`.

Three commands: `regenerate` derives everything, `vendor` says what is published now and what that changes, `mutate`
proves that the checks see what they are there for. `command` has what they share. The rooms, in the order in which a
spec goes through them; a room knows those above it only:

    published   what was published, where and when, in which of three forms; `SOURCE.toml`
    form_a      the intermediate form, converted to OpenAPI 3.1
    changes     two contracts, and which way each difference between them goes
    derive      the operations that are wanted, of one document or several; the overlay; the generators; what is
                committed against what was just made
    proof       what the wrapper knows about the API, against the contract; changes of the spec, and what each check
                makes of them
"""
