# What a BI tool sees: every view and table of a model through JDBC's metadata, with types
# that tools know and a comment on all there is; the rows of every view, read with a cursor;
# psql's \d+ and information_schema.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $driver = '/usr/share/java/postgresql.jar';
plan skip_all => 'JDBC is NOT TESTED: there is no driver (Debian: libpostgresql-jdbc-java)' unless -e $driver;
plan skip_all => 'JDBC is NOT TESTED: there is no java that runs a source file (11 or later)'
  if system('java --source 11 --version >/dev/null 2>&1') != 0;

my $node = make_node('jdbc');
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\n"); # Java knows no sockets of Unix
$node->start;
plan skip_all => 'JDBC is NOT TESTED: there is no pgTAP, which its CRM is written with'
  if $node->psql('postgres', 'CREATE EXTENSION pgtap') != 0;
$node->safe_psql('postgres', 'CREATE EXTENSION lead_scoring');
# The CRM of the tests of reports: it has rows for nearly every view.
run_log([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1',
    '-f', "$FindBin::RealBin/../pgtap/reports.psql" ]) or BAIL_OUT('reports.psql does not load');
sub query { return $node->safe_psql('postgres', "SET lead_scoring.as_of = '2025-07-01 00:00+00';\n$_[0]"); }
query(q{SELECT lead_scoring.snapshot('b2b');
    INSERT INTO crm.b2b_outbox (contact_id, aggregatetype, aggregateid, type, payload, created_at)
    VALUES (1, 'b2b', '1', 'alert', '{}', '2025-01-14 09:00')});

# ----------------------------------------------------------------- by JDBC

my @questions = (
    q{SELECT * FROM lead_scoring.explain('b2b', 1)},
    q{SELECT * FROM lead_scoring.explain_change('b2b', 1, '2025-02-01', '2025-06-01')},
    q{SELECT * FROM lead_scoring.what_next('b2b', 4)},
    q{SELECT * FROM lead_scoring.check_model('b2b')});
my $user = $node->safe_psql('postgres', 'SELECT current_user');
my ($seen, $error) = run_command([ 'java', '-Xmx256m', '-cp', $driver, "$FindBin::RealBin/ReadAsClient.java",
    'jdbc:postgresql://127.0.0.1:' . $node->port . "/postgres?user=$user&options=-c%20lead_scoring.as_of=2025-07-01",
    'crm', @questions ]);
is($error, '', 'the driver reads it all');

# seen(KIND): the lines of that kind, each a list of fields.
sub seen
{
    my ($kind) = @_;
    return map { [ @$_[ 1 .. $#$_ ] ] } grep { $_->[0] eq $kind } map { [ split /\t/ ] } split /\n/, $seen;
}

my %relation = map { $_->[1] => $_ } grep { $_->[1] =~ /^b2b_/ } seen('relation');
is(join(' ', map { "$_ $relation{$_}[0]" } sort keys %relation),
    query(q{SELECT string_agg(format('b2b_%s %s', suffix, CASE kind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END), ' ' ORDER BY suffix COLLATE "C")
              FROM lead_scoring.objects('b2b') WHERE kind IN ('r', 'v')}),
    'it lists every table and view of the model');
is_deeply([ grep { $relation{$_}[2] !~ /^\S.*[.?]$/ } sort keys %relation ], [], 'with a remark');

my @columns = grep { $_->[0] =~ /^b2b_/ } seen('column');
cmp_ok(scalar @columns, '>', 200, 'and their columns');
is_deeply([ map { "$_->[0].$_->[1]" } grep { $_->[4] !~ /^\S.*[.?]$/ } @columns ], [], 'with a remark each');
my %plain = map { $_ => 1 } qw(BIGINT DOUBLE VARCHAR DATE TIMESTAMP);
is_deeply([ map { "$_->[0].$_->[1] $_->[2] $_->[3]" }
              grep { $relation{ $_->[0] }[0] eq 'VIEW' && $_->[1] ne 'contact_id' && !$plain{ $_->[3] } } @columns ],
    [], 'columns of views are of types that every tool knows');
my %class = map { $_ => 1 } map { "java.$_" } qw(lang.Long lang.Double lang.String sql.Date sql.Timestamp);
is_deeply([ map { "@$_" } grep { $_->[0] !~ /^SELECT/ && $_->[1] ne 'contact_id' && !$class{ $_->[2] } } seen('field') ],
    [], 'and arrive as such');
is_deeply([ map { "$_->[1] $_->[2]" } grep { $_->[0] =~ /^SELECT/ && !$class{ $_->[2] } } seen('field') ],
    [ map { "$_ java.math.BigDecimal" } qw(points lost before after points adds) ],
    'what explains a total has numbers that add up as decimals');

my %rows = map { $_->[0] => $_->[1] } seen('rows');
for my $view (sort grep { $relation{$_}[0] eq 'VIEW' } keys %relation)
{
    is($rows{$view}, query("SELECT count(*) FROM crm.$view"), "$view: all rows");
}
is_deeply([ grep { !$rows{$_} } sort keys %rows ], [], 'there are rows to read');
is($rows{$_}, query("SELECT count(*) FROM ($_) AS q"), $_) for @questions;

# ----------------------------------------------------------------- by psql

my $described = query('\d+ crm.b2b_scored');
like($described, qr/^reasons\|text\|.*\|extended\|The three strongest rules/m, '\d+ tells types and comments');
like(query('\dv+ crm.b2b_*'), qr/^crm\|b2b_funnel\|view\|.*\|Of the contacts that came in a month/m, '\dv+ tells what a view is');
is(query(q{SELECT string_agg(DISTINCT c.data_type, ', ' ORDER BY c.data_type)
             FROM information_schema.columns AS c JOIN information_schema.views AS v USING (table_schema, table_name)
            WHERE v.table_schema = 'crm' AND c.column_name <> 'contact_id'}),
    'bigint, date, double precision, text, timestamp with time zone', 'information_schema has the types');

$node->stop;
done_testing();
