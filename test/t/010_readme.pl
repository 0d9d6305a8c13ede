# README.md is true: its SQL runs, its results are the results, its refusals are
# refusals, and its reference is that of the COMMENTs.
#
# All ```sql blocks run in order, as one session on a fresh server. A ```text
# block after one shows what it prints; after ```sql error, the error. Elsewhere,
# "```text excerpt" has lines of what some block prints; ```python and ```text cron are
# run by 012_worker.pl and 090_cron.pl. Each row of the table
# "Refused | Write instead" is tried both ways; blanks at a line's end do not count.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(File::Spec->rel2abs(__FILE__)) . '/../..';
my $begin = '<!-- reference: made by test/docs/reference -->';
my $end = '<!-- end of reference -->';

# ------------------------------------------------------------------- README

# trimmed(TEXT): without blanks at the ends of lines, and without empty lines
# at the end.
sub trimmed
{
    my ($text) = @_;
    $text =~ s/[ \t]+$//mg;
    $text =~ s/\n+\z//;
    return $text;
}

# read_blocks(TEXT): the fenced blocks: kind, line, text; shown: the ```text
# block that follows with nothing between.
sub read_blocks
{
    my ($text) = @_;
    my (@blocks, $now, $number, $gap);
    for (split /\n/, $text)
    {
        $number++;
        if (/^```(.*)$/ && !$now)
        {
            $now = { kind => $1, line => $number, text => '', gap => $gap };
        }
        elsif (/^```$/)
        {
            push @blocks, $now;
            ($now, $gap) = (undef, 0);
        }
        elsif ($now) { $now->{text} .= "$_\n"; }
        else { $gap = 1; }
    }
    for (my $i = $#blocks; $i > 0; $i--)
    {
        next unless $blocks[$i]{kind} eq 'text' && !$blocks[$i]{gap};
        $blocks[ $i - 1 ]{shown} = trimmed($blocks[$i]{text});
        splice @blocks, $i, 1;
    }
    return @blocks;
}

# read_refusals(TEXT): [line, refused, instead] of the table of refused conditions.
sub read_refusals
{
    my ($text) = @_;
    my ($inside, $number, @rows);
    for (split /\n/, $text)
    {
        $number++;
        $inside = 1 if /^\| Refused \| Write instead \|/;
        $inside = 0 unless /^\|/;
        next unless $inside && /^\| `(.*)` \| `(.*)` \|$/;
        push @rows, [ $number, map { s/\\\|/|/gr } $1, $2 ];
    }
    return @rows;
}

my $readme = do
{
    open my $in, '<', "$root/README.md" or die "README.md: $!\n";
    local $/;
    <$in>;
};
my @blocks = read_blocks($readme);
my @sql = grep { $_->{kind} =~ /^sql( error)?$/ } @blocks;
my @refusals = read_refusals($readme);

is_deeply([ map { "line $_->{line}: $_->{kind}" }
              grep { $_->{kind} !~ /^(sql( error)?|sh|text excerpt|python|text cron)$/ } @blocks ],
    [], 'every block is of a kind that is checked');
cmp_ok(scalar @sql, '>', 20, 'README has blocks of SQL');
cmp_ok(scalar @refusals, '>', 5, 'and rows of refused conditions');

# ------------------------------------------------------------------ session

# refusals_sql(): both conditions of each row, as rules of a copy of the tour's
# model; the marks tell them apart.
sub refusals_sql
{
    my $sql = '';
    for my $row (@refusals)
    {
        my ($line, @conditions) = @$row;
        for my $i (0, 1)
        {
            $sql .= mark("table$i", $line) . <<"END";
INSERT INTO lead_scoring.fit_rule (model, name, condition, points)
VALUES ('b2b', 'line $line, $i', \$condition\$$conditions[$i]\$condition\$, 1);
END
        }
    }
    return $sql;
}

sub mark
{
    my ($kind, $line) = @_;
    return "\\echo \@\@$kind $line\n\\warn \@\@$kind $line\n";
}

# pieces(OUTPUT): mark -> what came after it.
sub pieces
{
    my ($output) = @_;
    my %piece;
    my ($none, @parts) = split /^\@\@(\w+ \d+)\n/m, $output;
    while (my ($mark, $text) = splice @parts, 0, 2)
    {
        $piece{$mark} = $text;
    }
    return %piece;
}

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\n");
$node->start;

$ENV{PGCLIENTENCODING} = 'UTF8';
my $script = "\\pset format aligned\n\\pset tuples_only off\n\\pset footer off\n\\pset pager off\n";
$script .= mark('block', $_->{line}) . $_->{text} for @sql;
$script .= refusals_sql();
$script .= mark('end', 0);

my ($stdout, $stderr);
$node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr,
    on_error_stop => 0, on_error_die => 0);
my %printed = pieces("$stdout\n");
my %warned = pieces("$stderr\n");
ok(exists $printed{'end 0'}, 'the session lasts to the end');

# ------------------------------------------------------------------- blocks

# errors_of(TEXT): messages of the server without psql's prefix; no notices.
sub errors_of
{
    my ($text) = @_;
    $text =~ s/^psql:\S*: //mg;
    my @messages = split /^(?=(?:ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|LOG):)/m, $text;
    return trimmed(join '', grep { /^(ERROR|FATAL|PANIC)/ } @messages);
}

for my $block (@sql)
{
    my $name = "README.md:$block->{line}";
    my $output = trimmed($printed{"block $block->{line}"} // '');
    my $errors = errors_of($warned{"block $block->{line}"} // '');

    if ($block->{kind} eq 'sql error')
    {
        isnt($errors, '', "$name raises an error");
        is($errors, $block->{shown}, "$name: the error is the one shown") if defined $block->{shown};
        next;
    }
    is($errors, '', "$name runs");
    is($output, $block->{shown}, "$name: the result is the one shown") if defined $block->{shown};
}

my %line_printed = map { trimmed($_) => 1 } split /\n/, $stdout;
for my $block (grep { $_->{kind} eq 'text excerpt' } @blocks)
{
    is_deeply([ grep { !$line_printed{$_} } split /\n/, trimmed($block->{text}) ],
        [], "README.md:$block->{line} is part of a result");
}

for my $row (@refusals)
{
    my ($line, $refused, $instead) = @$row;
    my $error = errors_of($warned{"table0 $line"} // '');
    isnt($error, '', "README.md:$line: refused: $refused");
    like($instead, qr/\Q$1\E/, "README.md:$line: as the hint says")
      if $error =~ /^HINT:  Write (.+?)(, the moment of scoring,)? instead\b/m;
    is(errors_of($warned{"table1 $line"} // ''), '', "README.md:$line: good: $instead");
}

# ---------------------------------------------------------------- reference

my $reference = `psql -XAtq -v ON_ERROR_STOP=1 -d '${\$node->connstr('postgres')}' -f '$root/test/docs/reference.sql' 2>&1`;
my ($written) = $readme =~ /^\Q$begin\E\n(.*?)^\Q$end\E$/ms;
is(trimmed(($written // '') =~ s/\A\n+//r), trimmed($reference),
    'the reference is that of the COMMENTs: else run test/docs/reference');

$node->stop;
done_testing();
