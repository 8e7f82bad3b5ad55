// libyaml as a stream of flat events. Opened when first asked for (libyaml-0.so.2): only the supervisor and the command line read YAML.
#ifndef MCPGW_CYAML_H
#define MCPGW_CYAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cy_parser cy_parser;

enum cy_kind {
    cy_end,
    cy_document,
    cy_scalar,
    cy_sequence_start,
    cy_sequence_end,
    cy_mapping_start,
    cy_mapping_end,
    cy_alias,
    // Neither a node nor of interest.
    cy_other
};

typedef struct {
    enum cy_kind kind;
    // From one on.
    size_t line, column;
    // Of scalars; valid until the next event.
    const uint8_t *text;
    size_t length;
    bool is_plain, has_anchor, has_tag;
} cy_event;

// Why the text is no YAML.
typedef struct {
    char text[256];
    size_t line, column;
} cy_error;

// NULL when libyaml is there, else what is missing.
const char *cy_load(void);
// A reader of UTF-8, which must outlive it. NULL: out of memory.
cy_parser *cy_new(const uint8_t *text, size_t length);
void cy_free(cy_parser *parser);
// The next event. False: see error.
bool cy_next(cy_parser *parser, cy_event *event, cy_error *error);

#endif
