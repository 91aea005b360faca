"""First names and surnames that are frequent in the United States, lower case.

From the Census Bureau's "Frequently Occurring Surnames and First Names" of 1990: 1,924 first names (of men and
of women) and 3,500 surnames, those of three letters at least.
"""

_FIRST_NAMES = """
aaron abbie abby abel abigail abraham ada adam addie adela adelaide adele adelina adeline adolfo adolph adrian adriana
adrianne adrienne agatha agnes agustin aida aileen aimee aisha alan alana alba albert alberta alberto alecia alejandra
alejandro alene aletha alex alexa alexander alexandra alexandria alexis alfonso alfred alfreda alfredo ali alice
alicia alina aline alisa alisha alison alissa allan allen allene allie allison allyson alma alonzo alphonso alta
althea alton alva alvaro alvin alvina alyce alyson alyssa amalia amanda amber amelia amie amos amparo amy ana
anastasia andre andrea andres andrew andria andy angel angela angelia angelica angelina angeline angelique angelita
angelo angie anita ann anna annabelle anne annemarie annetta annette annie annmarie anthony antionette antoine
antoinette anton antonia antonio april araceli archie aretha ariel arleen arlene arline armand armando arnold arthur
arturo ashlee ashleigh ashley athena aubrey audra audrey august augusta aurelia aurora austin autumn ava avery avis
barb barbara barbra barry bart basil beatrice beatriz becky belinda bella belle belva ben benita benito benjamin
bennie benny bernadette bernadine bernard bernardo bernice berniece bert berta bertha bertie beryl bess bessie beth
bethany betsy bette bettie bettina betty bettye beulah beverley beverly bianca bill billie billy birdie blaine blake
blanca blanche bob bobbi bobbie bobby bonita bonnie boyd brad bradford bradley brady brain brandi brandie brandon
brandy breanna brenda brendan brenna brent bret brett brian briana brianna brianne bridget bridgett bridgette brigitte
britney brittany brittney brock brooke bruce bruno bryan bryant bryce bryon buddy burton byron caitlin caleb callie
calvin cameron camilla camille candace candice candida candy cara caren carey cari caridad carissa carl carla carlene
carlos carlton carly carmel carmela carmelita carmella carmelo carmen carol carole carolina caroline carolyn carrie
carroll cary caryn casandra casey cassandra cassie catalina catharine catherine cathleen cathrine cathryn cathy
catrina cecelia cecil cecile cecilia cedric celeste celestine celia celina cesar chad chandra chantel charity charla
charlene charles charlie charlotte charmaine chase chasity chastity chelsea chelsey cheri cherie cherry cheryl chester
chloe chong chris christa christal christen christi christian christie christin christina christine christopher
christy chrystal chuck cindi cindy claire clara clare clarence clarice clarissa clark claude claudette claudia
claudine clay clayton clement cleo cleveland cliff clifford clifton clint clinton clyde cody colby cole coleen colette
colin colleen concepcion concetta connie conrad constance consuelo cora corey cori corina corine corinne cornelia
cornelius corrine cortney cory courtney coy craig cristina cristy cruz crystal curt curtis cynthia daisy dale dalia
dallas damaris damian damien damon dan dana dane danette daniel daniela danielle danita danna danny dante daphne dara
darcy darin darius darla darlene darnell darrel darrell darren darrin darryl darwin daryl dave david davis dawn dayna
dean deana deann deanna deanne debbie debby debora deborah debra dee deena deidra deidre deirdre delbert delia delilah
della delma delois delores deloris delphine demetria demetrius dena denice denis denise dennis denny derek derick
derrick desiree desmond dessie destiny devin devon dewayne dewey dexter diana diane diann dianna dianne diego dina
dinah dion dionne dixie dollie dolly dolores dominga domingo dominic dominick dominique don dona donald donna donnell
donnie donovan dora doreen dorene doretha doris dorothea dorothy dorris dorthy dottie doug douglas dovie doyle drew
duane dudley dustin dwayne dwight dylan earl earlene earline earnest earnestine ebony eddie eddy edgar edith edmond
edmund edna eduardo edward edwin edwina edythe effie efrain eileen elaine elba elbert elda eldon eleanor eleanore
elena eli elia elias elida elijah elinor elisa elisabeth elise elisha elissa eliza elizabeth ella ellen ellie elliot
elliott ellis elma elmer elnora eloisa eloise elouise elsa elsie elton elva elvia elvin elvira elvis elwood elyse
emanuel emery emil emilia emilie emilio emily emma emmanuel emmett enid enrique eric erica erick ericka erik erika
erin erlinda erma erna ernest ernestina ernestine ernesto ernie ervin erwin esmeralda esperanza essie esteban estela
estella estelle ester esther ethan ethel etta eugene eugenia eula eunice eva evan evangelina evangeline eve evelyn
everett evette fabian faith fannie fanny fatima fay faye federico felecia felicia felicita felipe felix fern fernando
fidel filomena flor flora florence florine flossie floyd forrest fran frances francesca francine francis francisca
francisco frank frankie franklin fred freda freddie freddy frederick fredrick freida frieda gabriel gabriela gabrielle
gail gale garland garrett garry gary gavin gay gaye gayla gayle gena gene geneva genevieve geoffrey george georgette
georgia georgina gerald geraldine gerard gerardo geri germaine gerry gertrude gilbert gilberto gilda gillian gina
ginger gisela gladys glen glenda glenn glenna gloria goldie gonzalo gordon grace gracie graciela grady graham grant
greg gregg gregorio gregory greta gretchen griselda grover guadalupe guillermina guillermo gus gussie gustavo guy gwen
gwendolyn hal haley hallie hanna hannah hans harlan harley harold harriet harriett harriette harrison harry harvey
hattie haydee hazel heath heather hector heidi helen helena helene helga henrietta henry herbert heriberto herman
herminia hester hilary hilda hillary hiram hollie holly homer hope horace hortencia howard hubert hugh hugo humberto
ian ida ignacio ila ilene imelda imogene ina india ines inez ingrid iola iona ione ira irene iris irma irvin irving
isaac isabel isabell isabella isabelle isaiah ismael israel issac iva ivan ivette ivy jack jackie jacklyn jackson
jaclyn jacob jacquelin jacqueline jacquelyn jacquline jade jaime jake jamal james jami jamie jan jana jane janel
janell janelle janet janette janice janie janine janis janna jannie jaqueline jared jarrod jarvis jasmin jasmine jason
jasper javier jay jayme jayne jayson jean jeanette jeanie jeanine jeanna jeanne jeannette jeannie jeannine jeff
jefferson jeffery jeffrey jeffry jena jenifer jenna jennie jennifer jenny jerald jeremiah jeremy jeri jermaine jerome
jerri jerry jess jesse jessica jessie jesus jewel jewell jill jillian jim jimmie jimmy joan joann joanna joanne
joaquin jocelyn jodi jodie jody joe joel joesph joey johanna john johnathan johnnie johnny jolene jon jonathan
jonathon joni jordan jorge jose josefa josefina joseph josephine josh joshua josie joy joyce juan juana juanita judi
judith judy julia julian juliana julianna julianne julie juliet juliette julio julius june jung junior justin justina
justine kaitlin kaitlyn kara karen kari karin karina karl karla karon karrie karyn kasey kate katelyn katharine
katherine katheryn kathi kathie kathleen kathrine kathryn kathy katie katina katrina katy kay kaye kayla keisha keith
kelley kelli kellie kelly kelsey kelvin ken kendall kendra kendrick kenneth kenny kent kenya keri kermit kerri kerrie
kerry kevin kim kimberlee kimberley kimberly kira kirk kirsten kisha kitty kris krista kristal kristen kristi kristie
kristin kristina kristine kristopher kristy krystal krystle kurt kyle kylie lacey lacy ladonna lakeisha lakesha
lakisha lamar lamont lana lance lara larissa larry lashawn lashonda latanya latasha latisha latonya latoya latrice
laura laurel lauren laurence lauretta lauri laurie laverne lavonne lawanda lawrence lea leah leann leanna leanne lee
leeann leigh leila lela leland lelia lena lenora lenore leo leola leon leona leonard leonardo leonor leonora leora
leota leroy lesa lesley leslie lessie lester leta letha leticia letitia lettie levi lewis libby lidia lila lilia
lilian liliana lillian lillie lilly lily lina linda lindsay lindsey lionel lisa liz liza lizzie lloyd logan lois lola
lolita lona lonnie lora loraine loren lorena lorene lorenzo loretta lori lorie lorine lorna lorraine lorri lorrie
lottie lou louann louella louie louis louisa louise lourdes lowell loyd luann luanne lucas lucia lucila lucile lucille
lucinda lucretia lucy luella luis luisa luke lula lupe lura luther luz lydia lyle lyn lynda lynette lynn lynne
lynnette mabel mable mack madeleine madeline madelyn madge madonna mae magdalena maggie mai malcolm malinda malissa
mallory mamie mandi mandy manuel manuela mara marc marcel marcela marcella marci marcia marcie marco marcos marcus
marcy margaret margarita marge margery margie margo margot margret marguerite mari maria marian mariana marianna
marianne maribel maricela marie marietta marilyn marilynn marina mario marion marisa marisela marisol marissa maritza
marjorie marjory mark marla marlena marlene marlin marlon marquita marsha marshall marta martha martin martina marty
marva marvin mary maryann maryanne marybeth maryellen maryjane marylou mason mathew matilda matilde matt matthew
mattie maude maudie maura maureen maurice mauricio maurine mavis max maxine maxwell may maya mayme maynard mayra
meagan megan meghan melanie melba melinda melisa melissa mellisa mellissa melodie melody melva melvin mercedes
meredith merle merry mia micah michael michaela micheal michel michele michell michelle mickey migdalia miguel mike
milagros mildred miles millard millicent millie milton mimi mina mindy minerva minnie miranda miriam mirna missy misti
misty mitchell mitzi moises mollie molly mona monica monika monique monte monty morgan morris moses muriel murray myra
myrna myron myrtle nadia nadine nakia nan nancy nanette nannie naomi natalia natalie natasha nathan nathaniel neal ned
neil nelda nell nellie nelly nelson nettie neva nicholas nichole nick nickolas nicolas nicole nikki nilda nina nita
noah noe noel noelle noemi nola nolan nona nora norbert noreen norma norman norris octavia odell odessa ofelia ola
olga olive oliver olivia ollie oma omar opal ophelia ora oralia orlando orville oscar otis otto owen pablo paige pam
pamala pamela pansy pat patrica patrice patricia patrick patsy patti pattie patty paul paula paulette paulina pauline
pearl pearlie pearline pedro peggy penelope penny percy perry pete peter petra phil philip phillip phillis philomena
phoebe phyllis pierre pilar polly portia preston pricilla priscilla queen quentin quincy quinton rachael racheal
rachel rachelle rae rafael rafaela ralph ramiro ramon ramona randal randall randi randolph randy raphael raquel raul
ray raymond reba rebeca rebecca rebekah reed reggie regina reginald reina rena renae rene renee renita reta retha
reuben reva rex reyna reynaldo rhea rhoda rhonda ricardo richard rick rickey rickie ricky rigoberto riley rita rob
robbie robbin robert roberta roberto robin robyn rocco rochelle rocio rocky rod roderick rodger rodney rodolfo rodrigo
rogelio roger roland rolando roman romeo romona ron ronald ronda ronnie roosevelt rory rosa rosalee rosalia rosalie
rosalind rosalinda rosalyn rosanna rosanne rosario roscoe rose roseann roseanne rosella rosemarie rosemary rosetta
rosie rosita roslyn ross rowena roxana roxann roxanna roxanne roxie roy royce ruben ruby rudolph rudy rufus russel
russell rusty ruth ruthie ryan sabrina sadie sallie sally salvador salvatore sam samantha samatha sammie sammy samuel
sandi sandra sandy sanford santa santiago santos sara sarah sasha saul saundra savannah scot scott scotty sean
sebastian selena selina selma serena sergio seth shana shanda shane shanna shannon shari sharlene sharon sharron shaun
shauna shawn shawna shayla sheena sheila shelby sheldon shelia shelley shellie shelly sheree sheri sherman sherri
sherrie sherry sheryl shiela shirley shonda sidney sierra silvia simon simone socorro sofia soledad solomon son sondra
sonia sonja sonya sophia sophie spencer stacey staci stacia stacie stacy stan stanley stefanie stella stephan
stephanie stephen sterling steve steven stewart stuart sue summer sun susan susana susanna susanne susie suzan suzanne
suzette sybil sydney sylvester sylvia tabatha tabitha tamara tameka tamela tamera tami tamika tammi tammie tammy tamra
tana tania tanisha tanya tara taryn tasha tatiana tawana taylor ted teddy tera terence teresa teresita teri terra
terrance terrell terrence terri terrie terry tessa tessie thaddeus thelma theodora theodore theresa therese thomas
thurman tia tiara tiffani tiffany tillie tim timmy timothy tina tisha toby todd tom tomas tomasa tommie tommy toni
tonia tonja tony tonya tori tracey traci tracie tracy travis trent treva trevor tricia trina trinidad trisha troy
trudy twila tyler tyrone tyson ulysses una ursula vada valarie valencia valeria valerie van vance vanessa vaughn veda
velma venus vera verda vern verna vernell vernice vernon veronica vesta vicente vicki vickie vicky victor victoria
vida vilma vince vincent viola violet virgie virgil virgina virginia vivian vonda wade wallace walter wanda ward
warren wayne wendell wendi wendy wesley whitney wilbert wilbur wilda wiley wilfred wilfredo wilhelmina will willa
willard william williams willie willis wilma wilson winifred winnie winona winston woodrow xavier yesenia yolanda yong
young yvette yvonne zachary zelda zella zelma zenaida zoe zoila
"""

FIRST_NAMES = frozenset(_FIRST_NAMES.split())

_SURNAMES = """
aaron abbott abel abernathy abney abraham abrams abreu acevedo acker ackerman acosta acuna adair adam adame adams
adamson adcock addison adkins adler agee aguilar aguilera aguirre ahmed aiken ainsworth akers akins alaniz albers
albert albertson albrecht albright alderman aldrich aldridge aleman alexander alfaro alford ali alicea allard allen
alley allison allred almeida alonso alonzo alston altman alvarado alvarez amador amato amaya ambrose ames ammons amos
anaya anders andersen anderson andrade andrew andrews angel anglin anthony apodaca aponte applegate aquino aragon
aranda arce archer archibald archuleta arellano arevalo arias armstead armstrong arndt arnett arnold arredondo
arrington arroyo arsenault arteaga arthur artis ash ashby ashcraft asher ashford ashley ashton ashworth askew atkins
atkinson atwell atwood augustine austin avalos avery avila aviles ayala ayers ayres babb babcock babin baca bachman
bacon badger baer baez baggett bagley bagwell bailey bain bair baird baker baldwin bales ball ballard banda bandy
banks bannister baptiste barajas barbee barber barbosa barbour barclay barfield barger barker barkley barksdale barlow
barnard barnes barnett barnette barney barnhart barnhill baron barr barraza barrera barrett barrios barron barrow
barrows barry barth bartholomew bartlett bartley barton basham bass bassett batchelor bateman bates batista battle
batts bauer baugh baughman baum bauman bautista baxter beach beal beall beam bean beard bearden beasley beattie beatty
beaty beauchamp beaudoin beaulieu beaver beavers becerra beck becker beckett beckham beckman beckwith beebe beers
begay begley behrens belanger belcher bell bellamy bello belt beltran benavides benavidez bender benedict benitez
benjamin benner bennett benoit benson bentley benton berg berger bergeron bergman berman bermudez bernal bernard
bernier bernstein berrios berry bertrand berube bess best betancourt bethea betts beverly beyer biddle bigelow biggs
billings billingsley bills billups binder bingham birch bird bishop bivens black blackburn blackman blackmon blackwell
blair blake blakely blalock blanchard blanco bland blank blankenship blanton bledsoe blevins bliss block blocker
blodgett bloom blount blue blum blunt bobo bock boggs bohannon bolden bolduc boles bolin boling bollinger bolton bond
bonds bone bonilla bonner booker boone booth borden borders boren borges bostic boston boswell bouchard boucher
boudreau boudreaux bourgeois bourne bourque bowden bowen bowens bower bowers bowie bowles bowling bowman bowser box
boyce boyd boyer boykin boyle boyles brackett braden bradford bradley bradshaw brady bragg branch brand brandon brandt
branham brannon branson brantley braswell braun bravo braxton bray breaux breeden breen brennan brenner brewer
brewster brice bridges briggs bright brink brinkley brinson briscoe brito britt britton brock broderick bronson brooks
broome brothers broughton broussard brower brown browne browning brownlee broyles brubaker bruce brumfield bruner
brunner bruno bruns brunson bryan bryant bryson buchanan buck buckley buckner bueno buffington buford bull bullard
bullock bunch bundy bunn burch burchett burchfield burden burdette burdick burge burger burgess burgos burk burke
burkett burkhart burks burleson burnett burnette burney burnham burns burnside burr burrell burris burroughs burrows
burt burton busby busch bush bustamante butcher butler butterfield butts byers bynum byrd byrne byrnes caballero cable
cabral cabrera cade cady cagle cahill cain calderon caldwell calhoun calkins call callahan callaway calloway calvert
calvin camacho cameron camp campbell campos canada canales canfield cannon cano cantrell cantu canty capps caraballo
carbone card cardenas cardona cardwell carey carl carlin carlisle carlson carlton carmichael carmona carnahan carnes
carney caron carpenter carr carranza carrasco carrier carrillo carrington carroll carson carter cartwright caruso
carver cary case casey cash casillas cason casper cassidy castaneda casteel castellanos castillo castle castro caswell
cates cathey cato caudill causey cavanaugh cavazos cave cecil cerda cervantes chacon chadwick chaffin chamberlain
chamberlin chambers champagne champion chan chance chandler chaney chang chapa chapin chapman chappell charles
charlton chase chastain chatman chavarria chavez chavis cheatham cheek chen cheney cheng cherry chester chestnut
childers childress childs chin chisholm chisolm cho choate choi chong chow christensen christenson christian
christiansen christianson christie christopher christy chu chun chung church churchill cintron cisneros clancy clark
clarke clarkson clary clay clayton cleary clemens clement clements clemons cleveland clevenger clifford clifton cline
clinton close cloud clough cloutier coates coats cobb cobbs coble coburn cochran cockrell cody coe coffey coffin
coffman cohen coker colbert colburn colby cole coleman coles coley collazo colley collier collins colon colson colvin
combs comer compton comstock condon cone conklin conley conn connell connelly conner connolly connor connors conrad
conroy conti contreras conway cook cooke cooks cooley coon cooney cooper cope copeland corbett corbin corcoran cordell
cordero cordova corey corley cormier cornelius cornell cornett cornish cornwell corona coronado corral correa cortes
cortez cosby costa costello cota cote cotter cotton cottrell couch coughlin coulter council counts courtney cousins
couture covington cowan cowart cox coy coyle crabtree craft craig crain cramer crandall crane craven crawford crawley
creech crenshaw crespo crews crider crisp crist crocker crockett croft cromer cromwell cronin crook crooks crosby
cross croteau crouch crouse crow crowder crowe crowell crowley crum crump crutcher crutchfield cruz cuellar cuevas
culbertson cullen culp culpepper culver cummings cummins cunningham curley curran currie currier curry curtis custer
cutler cyr dahl daigle dailey daily dale daley dallas dalton daly damico daniel daniels danielson danner darby darden
darling darnell daugherty davenport david davidson davies davila davis davison dawkins dawson day deal dean deaton
decker dees dehart dejesus delacruz delagarza delaney delarosa delatorre deleon delgado dellinger deloach delong
delossantos deluca delvalle demarco dempsey denham denney denning dennis dennison denny denson dent denton derrick
devine devlin devore devries dewey dewitt dexter dial diamond dias diaz dick dickens dickerson dickey dickinson
dickson diehl dietrich dietz diggs dill dillard dillon dion dix dixon dobbins dobbs dobson dockery dodd dodge dodson
doe doherty dolan dominguez donahue donald donaldson donnelly donohue donovan dooley doran dorman dorn dorsey doss
dotson doty dougherty doughty douglas douglass dove dow dowd dowdy dowell dowling downey downing downs doyle dozier
drake draper drew driscoll driver drummond drury duarte dube dubois dubose duckworth dudley duff duffy dugan duggan
dugger duke dukes dumas dunaway dunbar duncan dunham dunlap dunn dunning dupont dupre dupree dupuis duran durant
durbin durham dutton duval duvall dwyer dye dyer dykes dyson earl earley early easley eason east easter easterling
eastman eaton eaves ebert echols eckert eddy edgar edge edmond edmonds edmondson edward edwards egan eggleston elam
elder eldridge elias elizondo elkins eller ellington elliot elliott ellis ellison ellsworth elmore elrod ely emerson
emery emmons engel england engle english ennis enriquez epperson epps epstein erickson ernst ervin erwin escalante
escamilla escobar escobedo esparza espinal espinosa espinoza esposito esquivel estep estes estrada etheridge eubanks
evans everett everhart ewing ezell fagan fain fair fairbanks fairchild fairley faison falcon falk fanning farley
farmer farnsworth farr farrar farrell farrington farris farrow faulk faulkner faust fay felder feldman feliciano felix
felton fennell fenton ferguson fernandes fernandez ferrara ferraro ferreira ferrell ferrer ferris field fields
figueroa finch fincher fine fink finley finn finney fischer fish fisher fisk fitch fitzgerald fitzpatrick flaherty
flanagan flanders flannery fleming fletcher flint flood florence flores flowers floyd flynn fogle foley folsom fong
fonseca fontaine fontenot foote forbes ford foreman forman forrest forrester forsyth forsythe fort forte fortier
fortin fortner fortune foss foster fountain fournier foust fowler fox foy fraley france francis francisco franco
francois frank franklin franks frantz franz fraser frazier frederick free freeman freitas french frey friedman friend
fritz frost fry frye fuchs fuentes fugate fuller fulton fultz funk furman furr gable gabriel gaddis gaddy gaffney gage
gagne gagnon gaines gaither gale galindo gallagher gallant gallardo gallegos gallo galloway galvan galvez gamble
gamboa gamez gandy gann gannon gant gantt garber garcia gardiner gardner garland garner garnett garrett garrison
garvey garvin gary garza gaskins gaston gates gatlin gauthier gavin gay geary gee geiger gentile gentry george gerber
german gibbons gibbs gibson gifford gil gilbert gilchrist giles gill gillespie gillette gilley gilliam gilliland
gillis gilman gilmore giordano gipson girard givens glass gleason glenn glover goad goddard godfrey godwin goetz goff
goforth goins gold goldberg golden goldman goldsmith goldstein gomes gomez gonzales gonzalez gooch good goode gooden
goodman goodrich goodson goodwin gordon gore gorman goss gossett gough gould grace grady graf graff graham granger
grant grantham graves gray grayson greco green greenberg greene greenfield greenwood greer gregg gregory grenier
gresham grey grier griffin griffith griffiths griggs grigsby grimes grimm grissom grogan grooms gross grossman grove
grover groves grubb grubbs gruber guajardo guerra guerrero guest guevara guidry guillen guillory guinn gulley
gunderson gunn gunter gurley gustafson guthrie gutierrez guy guyton guzman haag haas hacker hackett hackney hadley
hagan hagen hager haggard haggerty hahn haines hairston hale haley hall ham hamblin hamby hamel hamilton hamlin hamm
hammer hammond hammonds hammons hampton hamrick han hancock hand handley handy hanes haney hankins hanks hanley hanna
hannah hannon hansen hanson harbin harden harder hardesty hardin harding hardison hardman hardwick hardy hare hargrove
harkins harlan harley harlow harman harmon harms harness harp harper harrell harrington harris harrison harry hart
hartley hartman harvey haskell haskins hastings hatch hatcher hatfield hathaway hatton hauser havens hawes hawk
hawkins hawks hawley hawthorne hay hayden hayes haynes hays hayward haywood hazel head headley headrick healey healy
heard hearn heath heaton hebert heck hedrick hein heller helm helms helton hemphill henderson hendrick hendricks
hendrickson hendrix henley henning henry hensley henson her herbert herman hernandez herndon herrera herrick herring
herrington herrmann herron herzog hess hester hewitt hiatt hickey hickman hicks hidalgo higdon higginbotham higgins
high hightower hildebrand hill hilliard hillman hills hilton himes hinds hines hinkle hinojosa hinson hinton hirsch
hitchcock hite hitt hoang hobbs hobson hodge hodges hoff hoffman hoffmann hogan hogg hogue holbrook holcomb holden
holder holland holley holliday hollingsworth hollins hollis holloman holloway holm holman holmes holt holton honeycutt
hong hood hook hooker hooks hooper hoover hope hopkins hopper hopson horn horne horner horton horvath hoskins houck
hough houghton houle house houser houston howard howe howell howland hoy hoyle hoyt hsu huang hubbard huber huddleston
hudgins hudson huerta huey huff huffman huggins hughes hull hulsey hummel humphrey humphreys humphries hundley hunt
hunter huntley hurd hurley hurst hurt hurtado huston hutcherson hutchings hutchins hutchinson hutchison hutson hutton
huynh hyatt hyde hyman ibarra ingram inman irby ireland irizarry irvin irvine irving irwin isaac isaacs isbell isom
ison israel iverson ivey ivory ivy jack jackson jacob jacobs jacobsen jacobson jacoby jacques jaeger james jameson
jamison janes jansen jaramillo jarrell jarrett jarvis jasper jean jeffers jefferson jeffery jeffrey jeffries jenkins
jennings jensen jernigan jeter jett jewell jimenez jobe john johns johnson johnston joiner jolly jones jordan jordon
jorgensen joseph joy joyce joyner juarez judd jude judge julian jung justice kahn kaiser kaminski kane kang kaplan
karr katz kauffman kaufman kay kearney kearns keating keaton keeler keeling keen keenan keene keener keeton keith
keller kelley kellogg kelly kelsey kemp kendall kendrick kennedy kenney kenny kent kenyon kern kerns kerr kessler key
keyes keys khan kidd kilgore killian kilpatrick kim kimball kimble kimbrough kincaid kinder king kinney kinsey kirby
kirk kirkland kirkpatrick kiser kitchen kitchens klein kline knapp knight knott knowles knowlton knox knudsen knutson
koch koehler koenig kohler kolb koontz kopp kowalski kraft kramer kraus krause krebs krueger kruger kruse kuhn kurtz
kuykendall kyle lacey lachance lackey lacroix lacy ladd ladner lafleur laird lake lam lamar lamb lambert lamm
lancaster lance land landers landis landrum landry lane laney lang lange langford langley langston lanham lanier
lankford lantz lapointe lara large larkin larry larsen larson larue lassiter latham lau laughlin lavigne lavoie law
lawler lawrence laws lawson lawton lay layman layne layton leach leal lear leary leavitt leblanc leclair ledbetter
ledesma ledford ledoux lee leger leggett lehman lehmann leigh lemay lemieux lemon lemons lemus lentz lenz leon leonard
leone leslie lester leung levesque levin levine levy lewandowski lewis leyva libby light lightfoot liles lilley lilly
lim lima lin lincoln lind lindberg linder lindley lindquist lindsay lindsey link linn linton lipscomb lira little
littlefield littlejohn littleton liu lively livingston lloyd locke lockett lockhart locklear lockwood loftis lofton
logan logsdon lomax lombardi lombardo london long longoria loomis looney lopes lopez lord lorenz lorenzo lott louis
love lovelace lovell lovett low lowe lowery lowry loyd lozano lucas luce lucero luckett ludwig lugo lujan luke lumpkin
luna lund lundy lunsford lusk luther lutz lyle lyles lyman lynch lynn lyon lyons lytle mabry macdonald mace machado
macias mack mackenzie mackey macon madden maddox madison madrid madrigal madsen maestas magana magee maguire mahan
maher mahon mahoney maier main major majors malcolm maldonado mallory malloy malone maloney mancuso mangum manley mann
manning mansfield manuel maples march marcum marcus mares marin marino marion mark markham marks marlow marquez
marquis marr marrero marroquin marsh marshall martel martell martin martinez martino marvin marx mason massey massie
masters masterson mata matheny mathews mathis matlock matos matson matthew matthews mattingly mattison mattox mattson
mauldin maurer maxey maxwell may mayberry mayer mayes mayfield maynard mayo mays mcadams mcafee mcalister mcallister
mcarthur mcbride mccabe mccain mccall mccann mccarter mccarthy mccartney mccarty mccauley mcclain mcclanahan mcclellan
mcclelland mcclendon mcclintock mccloud mcclung mcclure mccollum mccombs mcconnell mccord mccorkle mccormack mccormick
mccoy mccracken mccrary mccray mcculloch mccullough mccurdy mcdaniel mcdermott mcdonald mcdonnell mcdonough mcdowell
mcduffie mcelroy mcfadden mcfarland mcfarlane mcgee mcghee mcgill mcginnis mcgovern mcgowan mcgrath mcgraw mcgregor
mcgrew mcguire mchenry mchugh mcintire mcintosh mcintyre mckay mckee mckenna mckenzie mckinley mckinney mckinnon
mcknight mclain mclaughlin mclaurin mclean mclemore mclendon mcleod mcmahan mcmahon mcmanus mcmillan mcmillian
mcmullen mcmurray mcnabb mcnair mcnally mcnamara mcneal mcneely mcneil mcneill mcnulty mcnutt mcpherson mcqueen mcrae
mcvey mcwhorter mcwilliams mead meade meador meadows means medeiros medina medley medlin medrano meehan meek meeks
meier mejia melendez mello melton melvin mena menard mendenhall mendez mendoza mercado mercer merchant mercier
meredith merrick merrill merritt messer messina metcalf metz metzger meyer meyers meza michael michaels michaud michel
middleton milam milburn miles millard miller milligan mills milner milton mims miner minor minter minton miranda
mireles mitchell mixon mize mobley mock moe moeller moffett moffitt mohr mojica molina monahan monk monroe monson
montague montalvo montanez montano montes montgomery montoya moody moon mooney moore mora morales moran moreau
moreland moreno morey morgan morin morley morrell morris morrison morrissey morrow morse morton moseley moser moses
mosher mosley moss motley mott moulton moya moye moyer mueller mull mullen muller mulligan mullin mullins muncy muniz
munoz munson murdock murillo murphy murray murrell murry muse myers myles myrick nadeau nagel nagle nagy nance napier
naquin nash nava navarro naylor neal needham neeley neely neff negrete negron neil neill nelson nesbitt ness nettles
neuman neumann neville new newberry newby newcomb newell newkirk newman newsom newsome newton ngo nguyen nicholas
nichols nicholson nickerson nielsen nielson nieto nieves niles nix nixon noble nobles noe noel nolan noland nolen
noonan noriega norman norris north norton norwood novak nowak noyes nugent numbers nunez nunn nye oakes oakley obrien
ocampo ocasio ochoa oconnell oconnor odell odom odonnell ogden ogle oglesby ohara ojeda okeefe oldham oleary oliva
olivares olivarez olivas oliver olmstead olsen olson olvera omalley oneal oneil oneill ontiveros orlando ornelas
orourke orozco orr ortega ortiz osborn osborne osorio ostrander oswald otero otis otoole ott otto ouellette outlaw
overstreet overton owen owens pace pacheco pack packard padgett padilla pagan page paige paine painter palacios palma
palmer palumbo pannell pappas paquette paradis parent parham paris parish park parker parks parnell parr parra parris
parrish parrott parry parson parsons partin partridge pate patel patrick patten patterson patton paul pauley paulsen
paulson paxton payne payton paz peachey peacock peak pearce pearson pease peck pedersen pederson peebles peek
pelletier pemberton pena pence pendergrass pendleton penn pennington penny peoples pepper peralta perdue pereira perez
perkins perry perryman person peterman peters petersen peterson pettit petty pfeiffer pham phan phelan phelps phillips
phipps picard pickard pickens pickering pickett pierce pierre pierson pike pimentel pina pineda pinson pinto piper
pitt pittman pitts platt plummer plunkett poe poindexter poirier polanco polk pollack pollard pollock ponce pond
ponder pool poole poore pope porter porterfield portillo posey post poston potter potts poulin powell power powers
prado prater prather pratt prescott presley pressley preston prewitt price pride pridgen priest prieto prince pringle
pritchard pritchett proctor proffitt pruett pruitt pryor puckett puente pugh pulido pullen pulliam purcell purdy
purnell purvis putman putnam pyle qualls quarles queen quezada quick quigley quinn quinones quintana quintanilla
quintero quiroz rader radford ragan ragland ragsdale raines rainey rains ralph ralston ramey ramirez ramos ramsey
randall randle randolph rangel rankin ransom rapp rash rasmussen ratcliff ratliff rawlings rawls ray raymond rea read
reagan reardon reaves rector redd reddick redding redman redmond reece reed reeder reedy rees reese reeves regan reich
reid reilly reinhardt reis reiter rendon renfro renner renteria reyes reyna reynolds reynoso rhea rhoades rhoads
rhodes ricci rice rich richard richards richardson richey richie richmond richter rickard ricker ricketts ricks rico
riddick riddle rider ridgeway ridley riggins riggs rigsby riley rinehart ring rios ritchie ritter rivas rivera rivers
rizzo roach roark robb robbins roberson robert roberts robertson robinette robins robinson robison robles roby rocha
roche rock rockwell rodgers rodrigues rodriguez rodriquez roe rogers rojas roland rollins roman romano romero romo
rooney root roper rosa rosado rosales rosario rosas rose rosen rosenberg rosenthal ross rossi roth rounds rouse roush
rowan rowe rowell rowland rowley roy royal rubin rubio ruby rucker rudd rudolph ruff ruffin ruiz runyon rush rushing
russ russell russo rust ruth rutherford rutledge ryan ryder saavedra sadler saenz sage sager salas salazar salcedo
saldana sales salgado salinas salisbury salmon salter sample sampson sams samson samuel samuels sanborn sanchez sander
sanders sanderson sandoval sands sanford santana santiago santos sapp sargent satterfield saucedo saucier sauer
saunders savage sawyer saxton saylor scales scanlon scarborough scarbrough schaefer schaeffer schafer schaffer schell
schilling schmid schmidt schmitt schmitz schneider schofield schrader schreiber schroeder schubert schuler schulte
schultz schulz schumacher schuster schwab schwartz schwarz scott scroggins scruggs seal seals seaman searcy sears
seaton seay segura seifert seitz selby self sellers sepulveda serna serrano seward sewell sexton seymour shackelford
shade shafer shaffer shah shank shanks shannon shapiro sharp sharpe shaver shaw shea shearer sheehan sheets sheffield
shelby sheldon shell shelley shelton shepard shepherd sheppard sheridan sherman sherrill sherrod sherwood shields shin
shinn shipley shipman shipp shirley shockley shoemaker shook short shorter shuler shull shultz sibley siegel sierra
sigler sikes siler silva silver silverman simmons simms simon simons simpkins simpson sims sinclair singer singh
singletary singleton sisk sisson sizemore skaggs skelton skidmore skinner slack slade slater slaughter sledge sloan
slocum slone small smalley smalls smallwood smart smiley smith smoot snead sneed snell snider snodgrass snow snowden
snyder soares solano solis soliz solomon somers sommers sorensen sorenson soriano sosa sotelo soto sousa south souza
sowell sowers spain spangler spann sparks spaulding spear spears speer spence spencer spicer spivey spooner sprague
springer spruill spurlock squires stacey stack stacy stafford stahl staley stallings stallworth stamper stamps
stanfield stanford stanley stanton staples stapleton stark starkey starks starling starnes starr staten staton stclair
stearns steed steele steen stein steinberg steiner stephens stephenson stepp sterling stern stevens stevenson steward
stewart stiles still stine stinnett stinson stjohn stock stockton stoddard stokes stone stoner storey story stout
stovall stover stowe stpierre strain strand strange stratton strauss street streeter strickland stringer strong
strother stroud stuart stubblefield stubbs stuckey stump suarez suggs sullivan summers sumner sutherland sutton
swafford swain swan swann swanson swartz sweat sweeney sweet swenson swift swisher switzer sykes sylvester tabor
tackett taft talbert talbot talley tan tang tanner tapia tate tatum tavares taylor teague teel temple templeton
terrell terry thacker thao tharp thayer thibodeau thibodeaux thigpen thomas thomason thompson thomson thorn thorne
thornton thorpe thrasher thurman thurston tibbs tidwell tierney tijerina tillery tilley tillman tilton timmons tinsley
tipton tirado tisdale titus tobias tobin todd tolbert toledo toler tolliver tomlin tomlinson tompkins toney torres
torrez toth tovar townsend tracy trahan trammell tran trapp travis traylor treadwell trejo trent trevino trimble
triplett tripp trotter trout troutman truitt trujillo truong tubbs tuck tucker turk turley turner turpin tuttle tyler
tyree tyson ulrich underwood unger upchurch upton urban urbina uribe vail valadez valdes valdez valencia valentin
valentine valenzuela valle vallejo vance vandyke vang vanhorn vann varela vargas varner varney vasquez vaughan vaughn
vaught vazquez vega vela velasco velasquez velazquez velez ventura vera vernon vest vick vickers vickery vidal vigil
villa villalobos villanueva villarreal villegas vincent vines vinson vogel vogt voss waddell wade wadsworth waggoner
wagner wagoner wahl waite wakefield walden waldron waldrop walker wall wallace waller walling wallis walls walsh
walter walters walton wang ward warden ware warfield warner warren washburn washington wasson waterman waters watkins
watson watt watters watts waugh way weatherford weathers weaver webb webber weber webster weeks weems weiner weinstein
weir weiss welch weldon weller wellman wells welsh wendt wentworth wenzel werner wertz wesley west westbrook westfall
westmoreland weston wetzel whalen whaley wharton whatley wheat wheatley wheeler whipple whitaker white whitehead
whitehurst whiteside whitfield whiting whitley whitlock whitlow whitman whitmore whitney whitson whitt whittaker
whitten whittington whittle whitworth wicker wicks wiggins wilbanks wilbur wilburn wilcox wilde wilder wiles wiley
wilhelm wilkerson wilkes wilkins wilkinson wilks willard willett willey william williams williamson willingham willis
willoughby wills willson wilson windham winfield wing winkler winn winslow winstead winston winter winters wise
wiseman withers witherspoon witt wofford wolf wolfe wolff wolford womack wong wood woodall woodard woodcock woodruff
woods woodson woodward woodworth woody wooten workman worley worrell worthington worthy wray wren wright wyatt wylie
wyman wynn xiong yancey yanez yang yarbrough yates yazzie ybarra yeager yee yoder york yost young youngblood younger
zamora zapata zarate zavala zeigler zepeda ziegler zielinski zimmer zimmerman zook zuniga
"""

SURNAMES = frozenset(_SURNAMES.split())
