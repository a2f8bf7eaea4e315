"""Setting a server up: one set of options, asked by a wizard, by line prompts, or read from a file.

`answers` holds the options, `options` says of each what it means and which page asks for it, and
`found`, `places`, `proposal` work out what the pages show. Nothing here changes the server.
"""
