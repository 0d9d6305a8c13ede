// What a BI tool sees of a database through JDBC: schemas' tables and views with their
// remarks, their columns with types and remarks, and the rows, read with a cursor. For
// 013_jdbc.pl, which runs it as it stands: java -cp DRIVER ReadAsClient.java URL SCHEMA QUERY...
//
// Prints lines of fields, with tabs between: relation TYPE NAME REMARKS; column TABLE
// NAME TYPE JDBC-TYPE REMARKS; rows TABLE NUMBER; field QUERY-OR-TABLE NAME CLASS.
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.JDBCType;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

public class ReadAsClient {
    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            connection.setAutoCommit(false); // else the driver reads all rows at once
            List<String> views = describe(connection.getMetaData(), arguments[1]);
            for (String view : views) {
                read(connection, view, "SELECT * FROM " + arguments[1] + "." + quoted(view));
            }
            for (int i = 2; i < arguments.length; i++) {
                read(connection, arguments[i], arguments[i]);
            }
        }
    }

    static List<String> describe(DatabaseMetaData data, String schema) throws SQLException {
        List<String> views = new ArrayList<>();
        String[] types = {"TABLE", "VIEW", "PARTITIONED TABLE"};
        try (ResultSet relations = data.getTables(null, schema, "%", types)) {
            while (relations.next()) {
                String name = relations.getString("TABLE_NAME");
                String type = relations.getString("TABLE_TYPE");
                print("relation", type, name, relations.getString("REMARKS"));
                if (type.equals("VIEW")) {
                    views.add(name);
                }
            }
        }
        try (ResultSet columns = data.getColumns(null, schema, "%", "%")) {
            while (columns.next()) {
                print("column", columns.getString("TABLE_NAME"), columns.getString("COLUMN_NAME"),
                      columns.getString("TYPE_NAME"),
                      JDBCType.valueOf(columns.getInt("DATA_TYPE")).getName(),
                      columns.getString("REMARKS"));
            }
        }
        return views;
    }

    static void read(Connection connection, String name, String query) throws SQLException {
        long rows = 0;
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(3);
            try (ResultSet result = statement.executeQuery(query)) {
                ResultSetMetaData data = result.getMetaData();
                for (int i = 1; i <= data.getColumnCount(); i++) {
                    print("field", name, data.getColumnLabel(i), data.getColumnClassName(i));
                }
                for (; result.next(); rows++) {
                    for (int i = 1; i <= data.getColumnCount(); i++) {
                        Object value = result.getObject(i);
                        if (value != null && !value.getClass().getName().equals(data.getColumnClassName(i))) {
                            throw new SQLException(name + "." + data.getColumnLabel(i) + " is a " + value.getClass());
                        }
                    }
                }
            }
        }
        print("rows", name, Long.toString(rows));
    }

    static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }

    static void print(String... fields) {
        System.out.println(String.join("\t", fields).replace("\n", " "));
    }
}
