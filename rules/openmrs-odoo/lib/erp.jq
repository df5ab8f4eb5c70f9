# What an order and a patient of OpenMRS are to an ERP. Nothing here asks anybody: all that is read comes as an argument.
# $s is the pack's settings. A module does not see $settings itself, so the caller hands it over.

# The id in a reference: Type/id, or a bare id.
def ref_id: if . == null then null else split("/") | last end;

def text($s): map(select(. != null and . != "")) | join($s);

# A number as people write it: 20.0 is 20.
def plain: if . == null then null else tostring | sub("\\.0+$"; "") end;

# ---------------------------------------------------------------------------------------------------------------- orders

# The orders that this one takes the place of. FHIR2 4.2 names them in replaces for a revision and for a discontinuation, of a
# prescription in priorPrescription; older versions in basedOn, where a renewal stands too: see the setting revise-elements.
# takes_back is the route's own word for a revision that is void, whose line comes back.
def replaced($s):
  [ .[$s["revise-elements"][]] | if type == "array" then .[] else . end | .reference? | ref_id | select(. != null) ]
  + (.takes_back // []) | unique;

# What REST says of an order that FHIR calls completed. There, completed is a stopped order and an expired one alike; only a stop
# has a date. A laboratory that writes results may stop the order and say that it is fulfilled: that is no cancellation.
def stopped: .dateStopped != null and .fulfillerStatus != "COMPLETED";

# An order attribute of that type with a value of true, as Bahmni's IS_BILLING_EXEMPT.
def exempt($s):
  $s["exempt-attribute"] as $type
  | $type != "" and any(.attributes[]?;
      (.attributeType.uuid == $type or .attributeType.display == $type) and (.voided | not)
      and ((.value | tostring | ascii_downcase) | . == "true" or . == "yes"));

# An order of REST in the shape of FHIR, with all that REST says in details, and what it is now in state. Expiry is no state: what
# was ordered stays billed when its time is over.
def from_rest:
  { resourceType: "Procedure", id: .uuid, intent: "order", details: .,
    status: (if .voided == true then "gone" elif .action == "DISCONTINUE" then "revoked"
             elif stopped then "completed" else "active" end),
    code: { coding: [{ code: .concept.uuid, display: .concept.display }], text: (.concept.display // .display) },
    subject: { reference: "Patient/\(.patient.uuid)" }, encounter: { reference: "Encounter/\(.encounter.uuid)" },
    requester: { display: .orderer.display },
    note: [.instructions, .commentToFulfiller | select(. != null) | { text: . }] }
  + (if .previousOrder.uuid != null and (.action == "REVISE" or .action == "DISCONTINUE")
     then { replaces: [{ reference: "Procedure/\(.previousOrder.uuid)" }] } else {} end)
  | .state = ([.status, .details.action, .details.dateStopped, (.details | stopped), .code.coding[0].code, .note[].text] | tostring);

# Whether this order takes the place of the one with that id, and is billed.
def revises($id; $s):
  any(replaced($s)[]; . == $id) and (.status as $status | any($s["billed-statuses"][]; . == $status));

# What is to be done: {do: bill | remove | leave, ids: the orders whose lines it is about, why}.
def verdict($details; $event; $s):
  .status as $status | .resourceType as $type | replaced($s) as $replaced
  | def remove($why; $ids): { do: "remove", why: $why, ids: $ids };
    def bill: { do: "bill", why: "was revised", ids: ([.id] + $replaced) };
    def leave($why): { do: "leave", why: $why, ids: [] };
    if $status == "gone" or $status == "entered-in-error" or $details.voided == true
      then remove("was voided"; [.id])
    elif $type != "MedicationRequest" and ($status == "revoked" or $status == "unknown")
      then remove("was discontinued"; $replaced + [.id])
    elif $status == "cancelled" or $type != "MedicationRequest" and $status == "completed" and ($details | stopped)
      then remove("was stopped"; [.id] + $replaced) + { stopped: true } # what it had revised is over too
    elif $details | exempt($s)
      then remove("is exempt from billing"; [.id])
    elif any($s["billed-statuses"][]; . == $status)
      then bill
    elif ($status == "completed" or $status == "stopped") and $event == "create"
      then bill # it was done, or its time was over, before it was first seen
    else leave("is \($status): what is on the bill stays") end;

# The lines of the orders in a verdict: {id, row, uuid of the order, sale, sale_name, state}. $keys are rows of ir.model.data (null
# where a field of the line holds the uuid), $found are records of sale.order.line.
def lines($keys; $found; $s):
  [ ($found // [])[] as $l
    | { id: $l.id, sale: $l.order_id[0], sale_name: $l.order_id[1], state: $l.state }
      + if $keys == null then { uuid: $l[$s["line-key-field"]], row: null }
        else first($keys[] | select(.res_id == $l.id)) | { uuid: .name, row: .id } end ];

def is_open($s): .state as $state | any($s["open-states"][]; . == $state);

# Ends the message where one of the lines is on a sales order that nobody may touch any more.
def unconfirmed($verdict; $s):
  map(select(.state != "cancel" and (is_open($s) | not))) as $confirmed
  | if $confirmed == [] then .
    elif $s.confirmed == "ignore" then . - $confirmed
    else error({
      class: (if $s.confirmed == "hold" then "conflict" else "rejected" end),
      message: "sales order \($confirmed[0].sale_name) is confirmed, and order \($confirmed[0].uuid) on it \(
        $verdict.why): correct it in Odoo, with a credit note where it is invoiced, then discard this message" }) end;

# ------------------------------------------------------------------------------------------------------------ order lines

def quantity_text: if . == null or .value == null then null else "\(.value | plain) \(.unit // .code // "")" | sub(" +$"; "") end;

# "2 Tablet - Oral - Twice daily - 5 d - with food", as the pharmacist reads it.
def dosage:
  [ .dosageInstruction[]?
    | [ (.doseAndRate[0]?.doseQuantity | quantity_text),
        .route.text, (.timing.code.text // .timing.code.coding[0]?.display),
        (.timing.repeat | if .duration == null then null else "\(.duration | plain) \(.durationUnit)" end),
        (if .asNeededBoolean == true then "as needed" else null end),
        .text ]
    | text(" - ") | select(. != "") ]
  | text("; ");

# The text of an order line: the parts that the setting line-text names, in its order.
def line_text($item; $s):
  { item: $item.name,
    quantity: ($item.measure | quantity_text),
    dosage: dosage,
    notes: ([.note[]?.text] | text(" ")),
    orderer: (if .requester.display == null then null else "Orderer: \(.requester.display)" end) } as $parts
  | [ $s["line-text"][] | $parts[.] ] | text($s.separator);

# What is billed for an order: {order, product, quantity, unit, name, free}. product and unit are codes of OpenMRS, to be found in
# Odoo; a unit of null is the product's own. free is a drug that somebody typed.
def item($s):
  ( if .resourceType == "MedicationRequest"
    then { product: (.medicationReference.reference | ref_id),
           name: (.medicationReference.display // .medicationCodeableConcept.text
                  // .medicationCodeableConcept.coding[0]?.display // "drug"),
           measure: .dispenseRequest.quantity }
    else { product: .code.coding[0]?.code,
           name: (.code.text // .code.coding[0]?.display // "test"),
           measure: .quantityQuantity }
    end ) as $item
  | { order: .id, product: $item.product, free: ($item.product == null),
      quantity: ($item.measure.value // 1), unit: $item.measure.code,
      name: line_text($item; $s) };

# ----------------------------------------------------------------------------------------------------------------- visits

# The visit of an encounter, which an order of sale stands for. OpenMRS shows it as the encounter that this one is part of.
def visit($s):
  (.partOf.reference | ref_id)
  // if $s["no-visit"] == "encounter" then .id
     else error({ class: "unmapped", message: "encounter \(.id) has no visit; give it one in OpenMRS, then retry this message" }) end;

# The orders of sale of a visit, as search_read gives them: the open one, the number of the newest, and all that count.
def visit_orders($visit; $s):
  ([.[] | select(is_open($s))]) as $open
  | if ($open | length) > 1
    then error({ class: "rejected", message: "visit \($visit) has \($open | length) open quotations in Odoo (\([$open[].name] | join(", "))): merge or cancel them until one is left, then retry this message" })
    else { open: $open[0].id, newest: ([.[].id] | max // 0), all: [.[] | select(.state != "cancel") | .id] } end;

# --------------------------------------------------------------------------------------------------------------- patients

def known_as: [.name[]? | select(.use != "old")] | first(.[] | select(.use == "official")) // first(.[] | select(.use == "usual")) // .[0];

# All given names, then the family name.
def full_name: known_as | if . == null then "unknown" else .text // ([.given[]?, .family] | text(" ")) end;

# The number that people know the patient by.
def identifier_value($s):
  $s["identifier-type"] as $type
  | if $type != "" then first(.identifier[]? | select(.type.coding[0]?.code == $type or .type.text == $type) | .value) // null
    else first(.identifier[]? | select(.use == "official") | .value) // first(.identifier[]?.value) // null end;

# The address that counts, {} for none: the one at home, and no old one.
def address: [.address[]? | select(.use != "old")] | (map(select(.use == "home"))[0] // .[0] // {});

def address_line($n):
  first(.extension[]? | select(.url == "http://fhir.openmrs.org/ext/address") | .extension[]?
        | select(.url == "http://fhir.openmrs.org/ext/address#\($n)") | .valueString) // null;

# A country or state as search_read found it: {field: id}, {field: null} to empty the field where OpenMRS says nothing, or {} to
# leave it as it is where Odoo has none or several of that name.
def place($field; $name; $found; $s):
  if $name == null or $name == "" then { ($field): null }
  elif ($found | length) == 1 then { ($field): $found[0].id }
  elif $s["unknown-place"] == "hold"
  then error({ class: "unmapped", message: "Odoo has \(if $found == [] then "no" else "more than one" end) \(
      if $field == "state_id" then "state" else "country" end) of the name in the patient's address: correct one of them, then retry this message" })
  else {} end;

# A value at a path such as address.0.district.
def at($path): getpath($path | split(".") | map(if test("^[0-9]+$") then tonumber else . end));

# The fields of the site that partner and order of sale share.
def details($s):
  (if $s["customer-id-field"] == "" then {} else { ($s["customer-id-field"]): identifier_value($s) } end)
  + (if $s["customer-dob-field"] == "" then {} else { ($s["customer-dob-field"]): .birthDate } end);

# The values of res.partner. A field that OpenMRS has not, or not any more, is null, which empties it.
def partner($countries; $states; $s):
  . as $p | address as $a
  | { ref: .id, active: (.active != false), name: full_name, comment: identifier_value($s), type: "contact",
      street: ($a | address_line("address1")), street2: ($a | address_line("address2")), city: $a.city, zip: $a.postalCode }
    + place("country_id"; $a.country; $countries // []; $s)
    + place("state_id"; $a.state; $states // []; $s)
    + details($s)
    + ([ $s["customer-fields"] | to_entries[]? | .value as $path | { (.key): ($p | try at($path) catch null) } ] | add // {});

# "62 kg", of a search for observations; null for none.
def weight: .[0].valueQuantity | quantity_text;
