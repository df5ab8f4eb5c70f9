# A FHIR R4 Patient becomes a partner of an ERP.
def ident($sys): first(.identifier[]? | select(.system == $sys) | .value) // null;
def ext($url): first(.extension[]? | select(.url == $url) | .valueString) // null;
def telecom($sys): first(.telecom[]? | select(.system == $sys) | .value) // false;
def gender: {"male": "male", "female": "female", "other": "other"}[.gender // ""] // false;
def fulldate: if . == null then false
  elif length == 4 then . + "-01-01"
  elif length == 7 then . + "-01" else . end;
select(.resourceType == "Patient")
| (first(.name[]? | select(.use == "official")) // .name[0] // {}) as $n
| (first(.address[]? | select(.use == "home")) // .address[0] // {}) as $a
| {
    ref: ident("http://openmrs.org/identifier/openmrs-id"),
    x_external_id: .id,
    x_national_id: ident("urn:oid:2.16.840.1.113883.3.7201.1"),
    name: ([($n.given // [])[], $n.family // empty] | join(" ")),
    x_gender: gender,
    x_birthdate: (.birthDate | fulldate),
    phone: telecom("phone"),
    email: telecom("email"),
    street: ($a.line[0] // false), street2: ($a.line[1] // false),
    city: ($a.city // false), zip: ($a.postalCode // false),
    x_village: ([$a.extension[]? | .extension[]? | select(.url | endswith("#cityVillage")) | .valueString] | first // false),
    country_code: ($a.country // "UG"),
    x_insurance: ext("http://fhir.openmrs.org/ext/patient/attribute#insurance"),
    comment: "FHIR Patient/\(.id) v\(.meta.versionId // "?")",
    customer_rank: 1, is_company: false, lang: "en_US",
    active: (.active and (.deceasedBoolean | not))
  }
