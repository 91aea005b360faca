"""Countries, and the larger cities, as they are written in English.

Countries by ISO 3166-1. Cities from GeoNames (geonames.org, CC BY 4.0): the 1,200 of the United States and 250 of the
rest of the world that have most inhabitants. The states are in `spark.codes`.
"""

_COUNTRIES = """
AD AND Andorra
AE ARE United Arab Emirates
AF AFG Afghanistan
AG ATG Antigua and Barbuda
AI AIA Anguilla
AL ALB Albania
AM ARM Armenia
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentina
AS ASM American Samoa
AT AUT Austria
AU AUS Australia
AW ABW Aruba
AX ALA Åland Islands
AZ AZE Azerbaijan
BA BIH Bosnia and Herzegovina
BB BRB Barbados
BD BGD Bangladesh
BE BEL Belgium
BF BFA Burkina Faso
BG BGR Bulgaria
BH BHR Bahrain
BI BDI Burundi
BJ BEN Benin
BL BLM Saint Barthélemy
BM BMU Bermuda
BN BRN Brunei Darussalam
BO BOL Bolivia
BQ BES Bonaire
BR BRA Brazil
BS BHS Bahamas
BT BTN Bhutan
BV BVT Bouvet Island
BW BWA Botswana
BY BLR Belarus
BZ BLZ Belize
CA CAN Canada
CC CCK Cocos (Keeling) Islands
CD COD Congo
CF CAF Central African Republic
CG COG Congo
CH CHE Switzerland
CI CIV Côte d'Ivoire
CK COK Cook Islands
CL CHL Chile
CM CMR Cameroon
CN CHN China
CO COL Colombia
CR CRI Costa Rica
CU CUB Cuba
CV CPV Cabo Verde
CW CUW Curaçao
CX CXR Christmas Island
CY CYP Cyprus
CZ CZE Czechia
DE DEU Germany
DJ DJI Djibouti
DK DNK Denmark
DM DMA Dominica
DO DOM Dominican Republic
DZ DZA Algeria
EC ECU Ecuador
EE EST Estonia
EG EGY Egypt
EH ESH Western Sahara
ER ERI Eritrea
ES ESP Spain
ET ETH Ethiopia
FI FIN Finland
FJ FJI Fiji
FK FLK Falkland Islands (Malvinas)
FM FSM Micronesia
FO FRO Faroe Islands
FR FRA France
GA GAB Gabon
GB GBR United Kingdom
GD GRD Grenada
GE GEO Georgia
GF GUF French Guiana
GG GGY Guernsey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Greenland
GM GMB Gambia
GN GIN Guinea
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea
GR GRC Greece
GS SGS South Georgia and the South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau
GY GUY Guyana
HK HKG Hong Kong
HM HMD Heard Island and McDonald Islands
HN HND Honduras
HR HRV Croatia
HT HTI Haiti
HU HUN Hungary
ID IDN Indonesia
IE IRL Ireland
IL ISR Israel
IM IMN Isle of Man
IN IND India
IO IOT British Indian Ocean Territory
IQ IRQ Iraq
IR IRN Iran
IS ISL Iceland
IT ITA Italy
JE JEY Jersey
JM JAM Jamaica
JO JOR Jordan
JP JPN Japan
KE KEN Kenya
KG KGZ Kyrgyzstan
KH KHM Cambodia
KI KIR Kiribati
KM COM Comoros
KN KNA Saint Kitts and Nevis
KP PRK Korea; North Korea
KR KOR Korea; South Korea
KW KWT Kuwait
KY CYM Cayman Islands
KZ KAZ Kazakhstan
LA LAO Lao People's Democratic Republic; Laos
LB LBN Lebanon
LC LCA Saint Lucia
LI LIE Liechtenstein
LK LKA Sri Lanka
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania
LU LUX Luxembourg
LV LVA Latvia
LY LBY Libya
MA MAR Morocco
MC MCO Monaco
MD MDA Moldova
ME MNE Montenegro
MF MAF Saint Martin (French part)
MG MDG Madagascar
MH MHL Marshall Islands
MK MKD North Macedonia
ML MLI Mali
MM MMR Myanmar
MN MNG Mongolia
MO MAC Macao
MP MNP Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritania
MS MSR Montserrat
MT MLT Malta
MU MUS Mauritius
MV MDV Maldives
MW MWI Malawi
MX MEX Mexico
MY MYS Malaysia
MZ MOZ Mozambique
NA NAM Namibia
NC NCL New Caledonia
NE NER Niger
NF NFK Norfolk Island
NG NGA Nigeria
NI NIC Nicaragua
NL NLD Netherlands
NO NOR Norway
NP NPL Nepal
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand
OM OMN Oman
PA PAN Panama
PE PER Peru
PF PYF French Polynesia
PG PNG Papua New Guinea
PH PHL Philippines
PK PAK Pakistan
PL POL Poland
PM SPM Saint Pierre and Miquelon
PN PCN Pitcairn
PR PRI Puerto Rico
PS PSE Palestine
PT PRT Portugal
PW PLW Palau
PY PRY Paraguay
QA QAT Qatar
RE REU Réunion
RO ROU Romania
RS SRB Serbia
RU RUS Russian Federation
RW RWA Rwanda
SA SAU Saudi Arabia
SB SLB Solomon Islands
SC SYC Seychelles
SD SDN Sudan
SE SWE Sweden
SG SGP Singapore
SH SHN Saint Helena
SI SVN Slovenia
SJ SJM Svalbard and Jan Mayen
SK SVK Slovakia
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal
SO SOM Somalia
SR SUR Suriname
SS SSD South Sudan
ST STP Sao Tome and Principe
SV SLV El Salvador
SX SXM Sint Maarten (Dutch part)
SY SYR Syria; Syrian Arab Republic
SZ SWZ Eswatini
TC TCA Turks and Caicos Islands
TD TCD Chad
TF ATF French Southern Territories
TG TGO Togo
TH THA Thailand
TJ TJK Tajikistan
TK TKL Tokelau
TL TLS Timor-Leste
TM TKM Turkmenistan
TN TUN Tunisia
TO TON Tonga
TR TUR Türkiye
TT TTO Trinidad and Tobago
TV TUV Tuvalu
TW TWN Taiwan
TZ TZA Tanzania
UA UKR Ukraine
UG UGA Uganda
UM UMI United States Minor Outlying Islands
US USA United States
UY URY Uruguay
UZ UZB Uzbekistan
VA VAT Holy See (Vatican City State)
VC VCT Saint Vincent and the Grenadines
VE VEN Venezuela
VG VGB Virgin Islands
VI VIR Virgin Islands
VN VNM Viet Nam; Vietnam
VU VUT Vanuatu
WF WLF Wallis and Futuna
WS WSM Samoa
YE YEM Yemen
YT MYT Mayotte
ZA ZAF South Africa
ZM ZMB Zambia
ZW ZWE Zimbabwe
"""

_ALSO = {"usa", "united states of america", "u.s.", "u.s.a.", "great britain", "uk", "england", "scotland", "wales"}

_ROWS = [line.split(" ", 2) for line in _COUNTRIES.strip().splitlines()]

COUNTRY_CODES = frozenset(code.lower() for row in _ROWS for code in row[:2])
"""Two letters and three."""

COUNTRY_NAMES = frozenset(name.strip().lower() for row in _ROWS for name in row[2].split(";")) | _ALSO

_CITIES = """
abidjan; abilene; abington; abu dhabi; abuja; accra; adana; addis ababa; ahmedabad; ahwatukee foothills; akron; al
başrah al qadīmah; al mawşil al jadīdah; alafaya; alameda; albany; albany park; albuquerque; aleppo; alexandria;
algiers; alhambra; aliamanu / salt lakes / foster village; alief; aliso viejo; allapattah; allen; allentown; almaty;
aloha; alpharetta; altadena; altamonte springs; altoona; amarillo; ames; amherst; anaheim; anchorage; anderson;
ankara; ankeny; ann arbor; annandale; annapolis; antelope; antioch; apex; apopka; apple valley; appleton; arcadia;
arden-arcade; arlington; arlington heights; arvada; ashburn; asheville; aspen hill; astoria; atascocita; athens;
atlanta; atlantic city; attleboro; auburn; auburn gresham; augusta; aurora; austin; avondale; azusa; baghdad;
bakersfield; baku; baldwin park; baltimore; bamako; bandung; bangkok; bao'an; baoding; baoshan; baotou; barnstable;
bartlett; baton rouge; battle creek; bayan nur; bayonne; bayside; baytown; bazhong; beaumont; beavercreek; beaverton;
bedford; beijing; beirut; bekasi; bel air south; bell gardens; belleville; bellevue; bellflower; bellingham; belmont
cragin; belo horizonte; bend; bengaluru; benin city; bensalem; bensonhurst; bentonville; berkeley; berlin; berwyn;
bethesda; bethlehem; beverly; beverly cove; bhopal; billerica; billings; biloxi; binghamton; birmingham; bismarck;
blacksburg; blaine; bloomfield; bloomington; blue springs; boca raton; bogotá; boise; bolingbrook; bonita springs;
borough park; bossier city; boston; bothell; boulder; bountiful; bowie; bowling green; boyle heights; boynton beach;
bozeman; bradenton; brandon; brasília; brazzaville; brea; bremerton; brentwood; briarwood; brick; bridgeport;
bridgewater; brighton; brighton park; brisbane; bristol; brockton; broken arrow; brookhaven; brookline; brooklyn;
brooklyn park; broomfield; brownsville; bryan; bucharest; buckeye; buena park; buenos aires; buffalo; buffalo grove;
bullhead city; burbank; burien; burke; burleson; burlington; burnsville; bursa; busan; bushwick; cairo; caldwell;
calexico; cali; camarillo; camayenne; cambridge; camden; campbell; canarsie; canoga park; canton; canyon country; cape
coral; cape girardeau; cape town; caracas; carlsbad; carmel; carmichael; carol city; carol stream; carpentersville;
carrollton; carrollwood village; carson; carson city; cary; casa grande; casablanca; casas adobes; casper; castle
rock; castro valley; catalina foothills; cathedral city; catonsville; cedar falls; cedar hill; cedar park; cedar
rapids; celina; centennial; center city; central city; centreville; ceres; cerritos; champaign; chandler; changchun;
changsha; changzhou; chapel hill; charleston; charlotte; charlottesville; chatsworth; chattanooga; chattogram;
cheektowaga; chelsea; chengdu; chennai; cherry hill; chesapeake; chesterfield; cheyenne; chicago; chicago lawn; chico;
chicopee; chinatown; chino; chino hills; chongqing; chula vista; cicero; cincinnati; citrus heights; city of milford
(balance); city of sammamish; clarksville; clay; clearwater; cleveland; cleveland heights; clifton; clinton township;
clovis; coachella; coconut creek; coeur d'alene; coimbatore; college station; collierville; colorado springs; colton;
columbia; columbus; commerce city; compton; conakry; concord; coney island; conroe; conway; coon rapids; coppell;
coral gables; coral springs; coram; cordova; corona; corpus christi; corvallis; costa mesa; council bluffs; country
club; covina; covington; cranston; crystal lake; culver city; cupertino; curitiba; cutler bay; cuyahoga falls;
cypress; cypress hills; córdoba; daegu; dakar; dale city; dalian; dallas; daly city; danbury; danville; dar es salaam;
datong; davao; davenport; davie; davis; dayton; daytona beach; dearborn; dearborn heights; decatur; deer valley;
deerfield beach; dekalb; delano; delhi; delray beach; deltona; denton; denver; depok; des moines; des plaines; desoto;
detroit; dhaka; diamond bar; diyarbakır; dongguan; doral; dorchester; dothan; dover; downers grove; downey; downtown
dc; draper; dubai; dublin; dubuque; duluth; duncanville; dundalk; dunwoody; durban; durham; eagan; east boston; east
brunswick; east chattanooga; east concord; east flatbush; east hampton; east harlem; east hartford; east honolulu;
east independence; east lansing; east los angeles; east new york; east norwalk; east orange; east pensacola heights;
east providence; east village; eastvale; eau claire; echo park; eden prairie; edgewater; edina; edinburg; edison;
edmond; edmonds; el cajon; el centro; el dorado hills; el monte; el paso; elgin; elizabeth; elk grove; elkhart;
ellicott city; elmhurst; elyria; encanto; enchanted hills; encinitas; encino; enfield; enid; enterprise; erie;
escondido; essex; euclid; eugene; euless; evanston; evansville; everett; fairfield; faisalabad; fall river; far
rockaway; fargo; farmington; farmington hills; fayetteville; federal way; financial district; findlay; fishers;
fitchburg; flagami; flagstaff; flatbush; flatlands; flint; florence; florence-graham; florin; florissant; flower
mound; folsom; fond du lac; fontana; fordham; forest hills; fort collins; fort lauderdale; fort myers; fort pierce;
fort smith; fort wayne; fort worth; fortaleza; foshan; fountain valley; fountainebleau; framingham; framingham center;
franklin; frederick; freeport; fremont; fresno; friendswood; frisco; fullerton; fuyang; fuzhou; gage park;
gainesville; gaithersburg; galveston; ganzhou; garden grove; gardena; garland; gary; gastonia; gaziantep; gazipur;
georgetown; germantown; gilbert; gilroy; giza; glen burnie; glendale; glendora; glenview; goodyear; goose creek; grand
forks; grand island; grand junction; grand prairie; grand rapids; grapevine; gravesend; great falls; greeley; green
bay; greenburgh; greensboro; greenville; greenwood; gresham; grove city; guangzhou; guayaquil; guiyang; gujranwala;
gulfport; gwynn oak; hacienda heights; hackensack; hagerstown; haikou; haiphong; hallandale beach; haltom city;
hamburg; hamden; hamilton; hammond; hampton; hanford; hangzhou; hanoi; harbin; harlem; harlingen; harrisburg;
harrisonburg; hartford; hattiesburg; havana; haverhill; havertown; hawthorne; hayward; hefei; hell's kitchen; hemet;
hempstead; henderson; hendersonville; henrietta; hesperia; hialeah; hickory; hicksville; high point; highland;
highlands ranch; hillsboro; hilo; hilton head island; ho chi minh city; hoboken; hoffman estates; hohhot; hollywood;
holyoke; homestead; hong kong; honolulu; hoover; houston; huai'an; huizhou; huntersville; huntington; huntington
beach; huntington park; huntsville; hurst; hutchinson; hyderabad; ibadan; idaho falls; incheon; independence;
indianapolis; indio; indore; inglewood; iowa city; irondequoit; irvine; irving; irving park; irvington; istanbul;
iztapalapa; i̇zmir; jackson; jackson heights; jacksonville; jaipur; jakarta; jamaica; janesville; jeddah; jefferson
city; jeffersonville; jersey city; jiading; jiangmen; jiangyin; jieyang; jilin; jinan; johannesburg; johns creek;
johnson city; joint base pearl harbor hickam; joliet; jonesboro; joplin; jupiter; kabul; kaduna; kailua; kakamega;
kalamazoo; kalihi-palama; kannapolis; kano; kanpur; kansas city; kaohsiung; karachi; kearny; keller; kendale lakes;
kendall; kenner; kennewick; kenosha; kensington; kent; kentwood; kettering; khartoum; killeen; kings bridge;
kingsport; kinshasa; kirkland; kissimmee; knoxville; kokomo; kolkata; koreatown; kowloon; kumasi; kunming; kunshan;
kyiv; la crosse; la habra; la jolla; la mesa; la mirada; la paz; la puente; la quinta; lacey; lafayette; lagos;
laguna; laguna niguel; lahore; lake charles; lake elsinore; lake forest; lake havasu city; lake ridge; lakeland;
lakeville; lakewood; lancaster; lansing; lanzhou; laredo; largo; las cruces; las vegas; lauderhill; lawrence; lawton;
layton; league city; leander; lee's summit; leesburg; lehi; lehigh acres; lenexa; leominster; levittown; lewisville;
lexington; lexington-fayette; lianyungang; lima; lincoln; lincoln park; lincoln square; linden; linyi; little havana;
little rock; littleton; livermore; livonia; lodi; logan; logan square; lombard; lompoc; lomé; london; long beach;
longmont; longview; lorain; los angeles; louisville; loveland; lowell; luanda; lubbock; lubumbashi; lucknow; lusaka;
lynchburg; lynn; lynwood; lüliang; macon; madera; madison; madrid; makakilo / kapolei / honokai hale; malden;
manassas; manaus; manchester; manhattan; manhattan valley; mankato; mansfield; manteca; maple grove; maplewood;
maracaibo; marana; margate; maricopa; marietta; marlboro; marlborough; marysville; maryvale; mashhad; maspeth;
mbuji-mayi; mcallen; mckinney; mclean; meads; medan; medellín; medford; melbourne; memphis; menifee; mentor; merced;
meriden; meridian; mesa; mesquite; metairie; metairie terrace; methuen; mexico city; miami; miami beach; miami
gardens; mid-city; middletown; midland; midwest city; milford; millcreek; milpitas; milwaukee; minhang; minneapolis;
minnetonka; minnetonka mills; minot; mira mesa; miramar; mishawaka; mission; mission district; mission viejo;
missoula; missouri city; mobile; modesto; mogadishu; moline; monroe; montclair; montebello; monterey park; montgomery;
montréal; moore; moorhead; moreno valley; morgan hill; morningside heights; morris heights; moscow; mott haven; mount
laurel; mount pleasant; mount prospect; mount vernon; mountain view; multan; mumbai; muncie; murfreesboro; murray;
murrieta; nagoya; nagpur; nairobi; nampa; nanchang; nanchong; nanjing; nanning; nantong; nanyang; napa; naperville;
nashua; nashville; national city; navi mumbai; near north side; new bedford; new berlin; new braunfels; new britain;
new brunswick; new city; new haven; new orleans; new rochelle; new south memphis; new taipei city; new territories;
new york city; newark; newport beach; newport news; newton; niagara falls; ningbo; noblesville; norfolk; normal;
norman; north bergen; north bethesda; north brunswick; north charleston; north chicopee; north fort myers; north
highlands; north hills; north hollywood; north la crosse; north las vegas; north lauderdale; north little rock; north
miami; north miami beach; north peoria; north port; north richland hills; north stamford; northglenn; northridge;
norwalk; norwich; novato; novi; o'fallon; oak lawn; oak park; oakland; oakland park; oakley; ocala; oceanside; ocoee;
odessa; ogden; oklahoma city; olathe; olney; olympia; omaha; omdurman; ontario; orange; ordos; orem; orland park;
orlando; ormond beach; oro valley; osaka; oshkosh; ouagadougou; overland park; oviedo; owensboro; oxford circle;
oxnard; ozone park; pacifica; palatine; palembang; palm bay; palm beach gardens; palm coast; palm desert; palm harbor;
palm springs; palmdale; palo alto; paradise; paramount; paris; park slope; parkchester; parker; parma; parsippany;
pasadena; pasco; passaic; paterson; pawtucket; peabody; peachtree corners; pearl city; pearland; pembroke pines; penn
hills; pensacola; peoria; perris; perth; perth amboy; peshawar; petaluma; pflugerville; pharr; philadelphia; phoenix;
pico rivera; pine bluff; pine hills; pinellas park; piscataway; pittsburg; pittsburgh; pittsfield; placentia;
plainfield; plano; plantation; pleasanton; plymouth; pocatello; poinciana; pomona; pompano beach; pontiac; port
arthur; port charlotte; port harcourt; port orange; port saint lucie; portage; portage park; porterville; portland;
portsmouth; portsmouth heights; potomac; poway; prescott; prescott valley; pretoria; princeton; providence; provo;
pudong; pueblo; pune; puxi; puyallup; puyang; pyongyang; qingdao; qingyang; queens; queens village; quezon city;
quincy; quito; racine; raleigh; rancho cordova; rancho cucamonga; rancho palos verdes; rancho penasquitos; rancho
santa margarita; rapid city; rawalpindi; reading; redding; redford; redlands; redmond; redondo beach; redwood city;
rego park; reno; renton; reseda; reston; revere; rialto; richardson; richland; richmond; richmond hill; ridgewood; rio
de janeiro; rio rancho; riverside; riverton; riverview; riyadh; roanoke; rochester; rochester hills; rock hill; rock
island; rockford; rocklin; rockville; rockwall; rocky mount; rogers; rogers park; rohnert park; rome; romeoville;
rosemead; roseville; roswell; round rock; rowland heights; rowlett; royal oak; sacramento; saginaw; saint charles;
saint clair shores; saint cloud; saint george; saint joseph; saint louis park; saint paul; saint peters; saint
petersburg; salem; salina; salinas; salt lake city; salvador; sammamish; san angelo; san antonio; san bernardino; san
bruno; san clemente; san diego; san francisco; san gabriel; san jacinto; san jose; san leandro; san luis obispo; san
marcos; san mateo; san pedro; san rafael; san ramon; san tan valley; sanaa; sandy; sandy hills; sandy springs;
sanford; santa ana; santa barbara; santa clara; santa clarita; santa cruz; santa cruz de la sierra; santa fe; santa
maria; santa monica; santa rosa; santee; santiago; santo domingo; sapporo; sarasota; savannah; sawtelle; sayreville;
sayreville junction; schaumburg; schenectady; schertz; scottsdale; scranton; seattle; seoul; severn; shakopee;
shanghai; shangqiu; shantou; shaoxing; sharjah; shawnee; sheboygan; sheepshead bay; shelby; shelton; shenyang;
shenzhen; sherman; sherman oaks; shijiazhuang; shiyan; shoreline; shreveport; sicklerville; sierra vista; silver
spring; simi valley; singapore; sioux city; sioux falls; skokie; smyrna; somerville; songjiang; south bel air; south
bend; south boston; south fulton; south gate; south hill; south jordan; south lawndale; south ozone park; south
peabody; south san francisco; south shore; south suffolk; south valley; south vineland; south whittier; southaven;
southfield; southglenn; southington; sparks; spokane; spokane valley; spring; spring hill; spring valley; springdale;
springfield; st. johns; st. louis; st. petersburg; stamford; stanton; state college; staten island; sterling heights;
stillwater; stockton; stonecrest; stratford; streamwood; strongsville; suffolk; sugar land; summerville; sumter;
sunnyside; sunnyvale; sunrise; sunrise manor; sunset park; surabaya; surat; surprise; suzhou; sydney; sylmar;
syracuse; são paulo; tacoma; taichung; tainan; taipei; taiyuan; tallahassee; tamarac; tamiami; tampa; tangerang;
tangshan; tashkent; taunton; taylor; taylorsville; teaneck; tehran; temecula; tempe; tempe junction; temple; terre
haute; texas city; the acreage; the bronx; the colony; the hammocks; the trails of frisco; the villages; the
woodlands; thornton; thousand oaks; thāne; tianjin; tigard; tijuana; tinley park; titusville; tokyo; toledo; toms
river; topeka; toronto; torrance; town 'n' country; towson; tracy; trenton; tri-cities; troy; tuckahoe; tucson;
tulare; tulsa; turlock; tuscaloosa; tustin; twin falls; tyler; union; union city; universal city; university;
university of texas; upland; upper west side; uptown; urbana; urbandale; utica; vacaville; vadodara; valdosta;
valencia; vallejo; valley glen; van nuys; vancouver; venice; ventura; vermont square; victoria; victorville; vineland;
virginia beach; visalia; vista; waco; waiau-pacific palisades; wakefield; waldorf; walnut creek; waltham; warner
robins; warren; warwick; washington; washington heights; waterbury; waterford; waterloo; watsonville; waukegan;
waukesha; wausau; wauwatosa; wayne; weifang; wellington; wenzhou; weslaco; wesley chapel; west albany; west allis;
west babylon; west bloomfield township; west coon rapids; west covina; west des moines; west gulfport; west hartford;
west haven; west hills; west hollywood; west jordan; west lafayette; west lynchburg; west new york; west oak lane;
west orange; west palm beach; west raleigh; west ridge; west sacramento; west seneca; west town; west valley city;
westfield; westland; westminster; weston; weymouth; wharton; wheaton; white plains; whitman; whitney; whittier;
wichita; wichita falls; wilkes-barre; wilmington; wilson; winnetka; winston-salem; winter garden; woburn; woodbury;
woodland; woodland hills; woodside; woonsocket; worcester; wuhan; wuxi; wuzhong; wylie; wyoming; xiamen; xi’an;
yakima; yangon; yantai; yokohama; yonkers; yorba linda; york; youngstown; yuba city; yucaipa; yuma; yunfu; zhengzhou;
zhongshan; zhuhai; zibo; zunyi; ürümqi
"""

CITIES = frozenset(city.strip() for city in _CITIES.replace("\n", " ").split(";"))
