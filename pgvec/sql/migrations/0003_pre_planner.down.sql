DROP TABLE pgvec.filter_shape;
DROP TABLE pgvec.search_setting;
DROP TABLE pgvec.calibration;
