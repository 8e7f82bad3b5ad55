#include "cyaml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FUNCTIONS(X)          \
    X(yaml_parser_initialize) \
    X(yaml_parser_delete)     \
    X(yaml_parser_set_input_string) \
    X(yaml_parser_set_encoding)     \
    X(yaml_parser_parse)      \
    X(yaml_event_delete)

static struct {
#define X(name) __typeof__(&name) name;
    FUNCTIONS(X)
#undef X
} api;

struct cy_parser {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    const uint8_t *text;
    size_t length;
};

const char *cy_load(void) {
    static bool loaded;
    if (loaded) return NULL;
    void *library = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return "libyaml-0.so.2 (package libyaml-0-2) could not be opened";
#define X(name)                                                  \
    api.name = (__typeof__(api.name))dlsym(library, #name);      \
    if (!api.name) return "libyaml-0.so.2 lacks " #name;
    FUNCTIONS(X)
#undef X
    loaded = true;
    return NULL;
}

cy_parser *cy_new(const uint8_t *text, size_t length) {
    cy_parser *parser = calloc(1, sizeof *parser);
    if (!parser) return NULL;
    if (!api.yaml_parser_initialize(&parser->parser)) {
        free(parser);
        return NULL;
    }
    api.yaml_parser_set_encoding(&parser->parser, YAML_UTF8_ENCODING);
    api.yaml_parser_set_input_string(&parser->parser, text, length);
    parser->text = text;
    parser->length = length;
    return parser;
}

static void drop_event(cy_parser *parser) {
    if (parser->has_event) api.yaml_event_delete(&parser->event);
    parser->has_event = false;
}

void cy_free(cy_parser *parser) {
    drop_event(parser);
    api.yaml_parser_delete(&parser->parser);
    free(parser);
}

static void describe(const cy_parser *source, cy_error *error) {
    const yaml_parser_t *parser = &source->parser;
    const char *problem = parser->problem ? parser->problem : "out of memory";
    const char *context = parser->context ? parser->context : "";
    snprintf(error->text, sizeof error->text, "%s%s%s", problem, *context ? " " : "", context);
    error->line = parser->problem_mark.line + 1;
    error->column = parser->problem_mark.column + 1;
    if (parser->error != YAML_READER_ERROR) return;
    // A character that cannot be read has an offset and no mark: the reader is ahead of the parser.
    error->line = error->column = 1;
    for (size_t i = 0; i < parser->problem_offset && i < source->length; i++) {
        if (source->text[i] == '\n') {
            error->line++;
            error->column = 1;
        } else if ((source->text[i] & 0xC0) != 0x80) {
            error->column++;
        }
    }
}

bool cy_next(cy_parser *parser, cy_event *event, cy_error *error) {
    drop_event(parser);
    if (!api.yaml_parser_parse(&parser->parser, &parser->event)) {
        describe(parser, error);
        return false;
    }
    parser->has_event = true;
    const yaml_event_t *source = &parser->event;
    memset(event, 0, sizeof *event);
    event->line = source->start_mark.line + 1;
    event->column = source->start_mark.column + 1;
    switch (source->type) {
    case YAML_STREAM_END_EVENT: event->kind = cy_end; break;
    case YAML_DOCUMENT_START_EVENT:
        event->kind = cy_document;
        event->has_tag = source->data.document_start.tag_directives.start != source->data.document_start.tag_directives.end;
        break;
    case YAML_ALIAS_EVENT: event->kind = cy_alias; break;
    case YAML_SCALAR_EVENT:
        event->kind = cy_scalar;
        event->text = source->data.scalar.value;
        event->length = source->data.scalar.length;
        event->is_plain = source->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        event->has_anchor = source->data.scalar.anchor != NULL;
        event->has_tag = source->data.scalar.tag != NULL;
        break;
    case YAML_SEQUENCE_START_EVENT:
        event->kind = cy_sequence_start;
        event->has_anchor = source->data.sequence_start.anchor != NULL;
        event->has_tag = source->data.sequence_start.tag != NULL;
        break;
    case YAML_SEQUENCE_END_EVENT: event->kind = cy_sequence_end; break;
    case YAML_MAPPING_START_EVENT:
        event->kind = cy_mapping_start;
        event->has_anchor = source->data.mapping_start.anchor != NULL;
        event->has_tag = source->data.mapping_start.tag != NULL;
        break;
    case YAML_MAPPING_END_EVENT: event->kind = cy_mapping_end; break;
    default: event->kind = cy_other; break;
    }
    return true;
}
