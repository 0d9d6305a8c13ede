# What the tests of live fit across servers share: a node with the functions of
# test/pgtap/live.psql, which say whether scores are right.
package LiveNode;

use strict;
use warnings;
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(make_node make_database unsound is_sound is_sound_after_refresh);

my $functions =
  File::Spec->catfile(dirname(File::Spec->rel2abs(__FILE__)), '..', 'pgtap', 'live.psql');

# make_node(NAME, PARAMETERS of init): a server, not yet started.
sub make_node
{
    my ($name, %parameters) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    $node->init(%parameters, extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
    $node->append_conf('postgresql.conf', "log_statement = none\n");
    return $node;
}

# make_database(NODE, NAME): with the extension, and procedure make_live().
sub make_database
{
    my ($node, $name) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $name");
    $node->safe_psql($name, 'CREATE EXTENSION lead_scoring');
    run_log([ 'psql', '-X', '-q', '-d', $node->connstr($name), '-v', 'ON_ERROR_STOP=1',
        '-f', $functions ]) or BAIL_OUT('live.psql does not load');
    return;
}

# unsound(NODE, DATABASE, MODEL, STORED): where its scores are wrong, as text.
sub unsound
{
    my ($node, $database, $model, $stored) = @_;
    my ($out, $error);
    $node->psql($database,
        'SELECT * FROM differences($$' . $model . '$$, ' . ($stored ? 'true' : 'false') . ')',
        stdout => \$out, stderr => \$error);
    return $out . $error;
}

sub is_sound
{
    my ($node, $database, $model, $what) = @_;
    return is(unsound($node, $database, $model, 1), '', $what);
}

# Before the refresh only verify and the view are right.
sub is_sound_after_refresh
{
    my ($node, $database, $model, $what) = @_;
    is(unsound($node, $database, $model, 0), '', "$what: the view");
    $node->safe_psql($database, 'CALL lead_scoring.refresh($$' . $model . '$$)');
    return is_sound($node, $database, $model, "$what: after a refresh");
}

1;
