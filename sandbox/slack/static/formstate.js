/**
 * What a person typed and chose in one view or message: `values[block_id][action_id]`, as Slack sends it.
 *
 * On an update Slack keeps the input of an element whose block_id and action_id are unchanged, and forgets it
 * otherwise. `adopt` does the same.
 */

const STATEFUL = {
  plain_text_input: (el) => ({ value: el.initial_value ?? null }),
  email_text_input: (el) => ({ value: el.initial_value ?? null }),
  url_text_input: (el) => ({ value: el.initial_value ?? null }),
  number_input: (el) => ({ value: el.initial_value ?? null }),
  static_select: (el) => ({ selected_option: el.initial_option ?? null }),
  external_select: (el) => ({ selected_option: el.initial_option ?? null }),
  multi_static_select: (el) => ({ selected_options: el.initial_options ?? [] }),
  multi_external_select: (el) => ({ selected_options: el.initial_options ?? [] }),
  radio_buttons: (el) => ({ selected_option: el.initial_option ?? null }),
  checkboxes: (el) => ({ selected_options: el.initial_options ?? [] }),
  datepicker: (el) => ({ selected_date: el.initial_date ?? null }),
  timepicker: (el) => ({ selected_time: el.initial_time ?? null }),
};

const ROWS = ["actions", "context_actions"];

/** Every [block, element] pair of `blocks` that can hold state or act. */
export function interactive(blocks) {
  return blocks.flatMap((block) => {
    const elements = [block.element, block.accessory, ...(ROWS.includes(block.type) ? block.elements : [])];
    return elements.filter((el) => el?.action_id).map((el) => [block, el]);
  });
}

/** All options of a select, radio or checkbox element, groups flattened; null when they come from the bot. */
export function optionsOf(element) {
  if (element.option_groups) return element.option_groups.flatMap((group) => group.options);
  return element.options ?? null;
}

function stillOffered(element, state) {
  const offered = optionsOf(element);
  if (!offered) return true;
  const chosen = state.selected_options ?? (state.selected_option ? [state.selected_option] : []);
  return chosen.every((option) => offered.some((other) => other.value === option.value));
}

export class FormState {
  #values = {};

  /** Take over `blocks`: initial values for new elements, kept ones for those that were there before. */
  adopt(blocks) {
    const next = {};
    for (const [block, element] of interactive(blocks)) {
      const initial = STATEFUL[element.type];
      if (!initial) continue;
      const kept = this.#values[block.block_id]?.[element.action_id];
      const keep = kept && kept.type === element.type && stillOffered(element, kept);
      next[block.block_id] ??= {};
      next[block.block_id][element.action_id] = keep ? kept : { type: element.type, ...initial(element) };
    }
    this.#values = next;
  }

  get(blockId, actionId) {
    return this.#values[blockId]?.[actionId];
  }

  set(blockId, actionId, change) {
    Object.assign(this.#values[blockId][actionId], change);
  }

  /** The `state` of an interaction payload. */
  payload() {
    return { values: structuredClone(this.#values) };
  }
}
