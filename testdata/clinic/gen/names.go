package main

// The tables that patients are made from: name, sex and the family they
// belong to are given; everything else is diced.
var (
	women = []string{
		"Åse", "Ingrid", "Solveig", "Zoë", "Maja", "Élodie", "Astrid", "Bjørg", "Łucja", "Fatima", "Chloé", "Sigrún", "Nora", "Aïsha", "Žofia",
		"Ragnhild", "Dóra", "Marit", "Özlem", "Agnès", "Tuva", "Inés", "Gro", "Hedvig", "Wanjiru", "Birgitte", "Mỹ Linh", "Ylva", "Kari",
	}
	men = []string{
		"Øyvind", "Jørgen", "Håvard", "Søren", "Étienne", "Łukasz", "Bjørn", "Åsmund", "Mikkel", "José", "Tadeusz", "Günther", "Ahmed", "Sindre",
		"André", "Þorsteinn", "Pål", "Kåre", "Iñigo", "Matěj", "Leif", "Trygve", "Emre", "Olav", "Tor-Erik", "Nils", "Rúben", "Magnus", "Einar",
	}
	middles  = []string{"Marie", "Anne", "Johan", "Andreas", "Sofie", "Elias", "Kristine", "Henrik"}
	families = []string{
		"Ødegård", "Ångström", "Müller", "Sørlie", "Çelik", "O’Brien", "Kjærgård", "Łukasiewicz", "Dvořák", "Bråten", "García Núñez", "Bakke",
		"Østby", "Strømme", "Lefèvre", "Hansen", "Brønnøysund", "Ek", "van der Berg", "Nygård", "Sætre", "Jónsdóttir", "Trần", "Hussain", "Vågen", "Fjeld-Olsen",
		"Szabó", "Lindqvist", "Mæland", "Øien",
	}
	streets = []string{
		"Toftes gate", "Thorvald Meyers gate", "Sofienberggata", "Helgesens gate", "Markveien", "Maridalsveien", "Søndre gate", "Åsengata",
		"Bjølsengata", "Sandakerveien", "Øvre Foss", "Kirkegårdsgata",
	}
	towns = []struct{ zip, city string }{
		{"0555", "Oslo"},
		{"0556", "Oslo"},
		{"0474", "Oslo"},
		{"0468", "Oslo"},
		{"1470", "Lørenskog"},
		{"1337", "Sandvika"},
		{"2000", "Lillestrøm"},
		{"1430", "Ås"},
		{"3513", "Hønefoss"},
		{"6413", "Molde"},
	}
	abroad = []struct{ street, zip, city, cc string }{
		{"Södra Förstadsgatan", "211 43", "Malmö", "SE"},
		{"Nørrebrogade", "2200", "København N", "DK"},
		{"Jägerstraße", "10117", "Berlin", "DE"},
		{"Rue de l’Église", "75015", "Paris", "FR"},
	}
)
